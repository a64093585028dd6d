"""Writes the list of all files of the package into docs/architecture.md: what each one is, as its
own first line says, and the names that it defines.

    python tools/list_files.py
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "visionthink_pl"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- files: tools/list_files.py -->\n", "<!-- end of files -->\n"


def described(file: Path) -> str:
    """A row of the list."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    first = (ast.get_docstring(tree) or "").split("\n\n")[0]
    text = " ".join(first.split()).rstrip(".:")
    defined = ", ".join(f"`{name}`" for name in names(tree))
    return f"| `{file.name}` | {text.replace('|', '/')} | {defined} |"


def names(tree: ast.Module) -> Iterator[str]:
    """Public classes and functions."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name


def listed() -> str:
    """The whole list, folder by folder."""
    files = sorted(
        (file for file in PACKAGE.rglob("*.py") if file.name != "__init__.py"),
        key=lambda file: (file.parent.relative_to(PACKAGE).parts, file.name),
    )
    lines = []
    for folder, within in groupby(files, key=lambda file: file.parent.relative_to(PACKAGE)):
        lines += ["", f"### `{folder}/`" if folder.parts else "### the package itself", ""]
        lines += ["| file | what it is | what it defines |", "|---|---|---|"]
        lines += map(described, within)
    return "\n".join([*lines, ""]).lstrip("\n")


def with_list(page: str) -> str:
    """The page with the list between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{listed()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_list(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
