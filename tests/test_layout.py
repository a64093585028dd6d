"""How the package is laid out: few rooms, names used once, short files and functions."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "visionthink_pl"
FILES = sorted(PACKAGE.rglob("*.py"))
OF_PYTHON = {"__init__.py", "__main__.py", "__pycache__", "py.typed"}
WELL_KNOWN = {"Counter", "Table", "Path", "Process", "Queue", "Enum", "Image", "Dataset", "Text"}
# A file, and the most lines that it may have.
MOST = {"module/module.py": 150, "callbacks/rollout.py": 200}
MOST["commands/export/example.py"] = 330  # is handed out as one file


def definitions(file: Path) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def twice(names: Iterator[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def test_at_most_fourteen_rooms_at_the_top() -> None:
    assert len({path.name for path in PACKAGE.iterdir()} - OF_PYTHON) <= 14


def test_a_file_s_name_is_used_once() -> None:
    assert twice(f.name for f in FILES if f.name not in ("__init__.py", "base.py")) == []


def test_a_class_s_name_is_used_once_and_hides_none_that_is_well_known() -> None:
    names = [node.name for f in FILES for node in definitions(f) if isinstance(node, ast.ClassDef)]
    assert twice(iter(names)) == []
    assert WELL_KNOWN.isdisjoint(names)


def test_functions_fit_a_screen() -> None:
    long = [
        f"{file.name}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for file in FILES
        for node in definitions(file)
        if not isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno >= 50
    ]
    assert long == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_files_are_short(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= MOST.get(str(file.relative_to(PACKAGE)), 300)
