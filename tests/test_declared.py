"""Every package that the code imports is named in pyproject.toml, so that a new machine has it."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "tools")
# Imported from what another one brings, which is why it is there.
BROUGHT = {
    "huggingface_hub": "transformers",
    "latex2sympy2_extended": "math-verify",
    "pyarrow": "datasets",
    "starlette": "fastapi",
}
# Asked for by those who run the command that needs it: its page or its error says so.
NOT_OURS = {"lmms_eval", "loguru", "networkx", "trl"}


@cache
def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    lines = project["dependencies"] + extras
    return {canonicalize_name(Requirement(line).name) for line in lines}


def imported(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


@cache
def own() -> set[str]:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return {path.stem for path in files} | {path.parent.name for path in files}


@cache
def provided_by() -> dict[str, set[str]]:
    return {
        name: {canonicalize_name(distribution) for distribution in distributions}
        for name, distributions in packages_distributions().items()
    }


def undeclared(code: str) -> list[str]:
    """The modules that `code` imports and that no declared package provides."""
    known = own() | {"visionthink_pl"} | set(sys.stdlib_module_names) | NOT_OURS | set(BROUGHT)
    foreign = set(imported(code)) - known
    return sorted(n for n in foreign if not provided_by().get(n, {n}) & declared())


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_imported_is_declared(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    found = {path.name: undeclared(path.read_text()) for path in files}
    assert {name: lacks for name, lacks in found.items() if lacks} == {}


@pytest.mark.parametrize(
    ("code", "lacks"),
    [
        ("import httpx", ["httpx"]),
        ("def f():\n    from absent.part import thing", ["absent"]),
        ("import PIL.Image, yaml, json, helpers\nfrom . import beside", []),
    ],
)
def test_what_is_not_declared_is_reported(code: str, lacks: list[str]) -> None:
    assert undeclared(code) == lacks


def test_what_brings_a_package_is_declared_itself() -> None:
    assert set(BROUGHT.values()) <= declared()
