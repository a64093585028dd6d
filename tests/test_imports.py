"""The rooms of the house, and that imports run one way: from a room only to rooms above it."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
PACKAGE = "visionthink_pl"
ROOMS = (
    "types",
    "internals",
    "images",
    "families",
    "visual_tools",
    "data",
    "policy",
    "rollout",
    "rewards",
    "losses",
    "training",
    "module",
    "callbacks",
    "commands",
    "__main__",
)
# Above them, and none of their business.
SHUT = {name: ("rollout", "rewards") for name in ("training", "module")}


def modules() -> dict[str, str]:
    """Each module's dotted name and text; a folder's ``__init__`` goes by the folder's name."""
    files = sorted((SOURCE / PACKAGE).rglob("*.py"))
    return {_name(file): file.read_text(encoding="utf-8") for file in files}


def _name(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def statements(text: str) -> list[ast.Import | ast.ImportFrom]:
    """The imports of a module, anywhere in it; most texts are asked about again and again."""
    nodes = ast.walk(ast.parse(text))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def imports(text: str, known: Mapping[str, str]) -> Iterator[str]:
    """Modules of the package that a module imports."""
    for node in statements(text):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == PACKAGE)
        else:
            assert node.level == 0, "a relative import: write where from"
            if node.module is not None and node.module.split(".")[0] == PACKAGE:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if name in known else node.module for name in names)


def room(module: str) -> str:
    """What stands behind the package's name, one level deep; the package itself has no room."""
    return module.split(".")[1] if "." in module else ""


def downward(known: Mapping[str, str]) -> list[str]:
    """Every import into a room that does not stand above."""
    rows = [(name, target) for name, text in known.items() for target in imports(text, known)]
    return [f"{name} imports {target}" for name, target in rows if not _allowed(name, target)]


def _allowed(module: str, target: str) -> bool:
    here, there = room(module), room(target)
    if here == there:
        return True
    if not here:  # __init__ of the package, which every import runs first
        return False
    shut = there in SHUT.get(here, ())
    return not shut and (not there or ROOMS.index(there) < ROOMS.index(here))


def cycles(known: Mapping[str, str]) -> list[str]:
    """Modules that come back to themselves by way of imports."""
    graph = {name: set(imports(text, known)) for name, text in known.items()}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += graph.get(name, ())
        return seen

    return [name for name in graph if name in reached(name)]


def test_every_module_has_a_room() -> None:
    assert {room(name) for name in modules()} - {""} <= set(ROOMS)


def test_imports_run_one_way() -> None:
    assert downward(modules()) == []


def test_no_import_comes_back_to_where_it_started() -> None:
    assert cycles(modules()) == []


# module, a line in it, and what is wrong with that line.
FORBIDDEN = [
    ("types", "import visionthink_pl.images", "a room below"),
    ("data.folder", "from visionthink_pl.policy import Policy", "a room below"),
    ("losses.grpo", "from visionthink_pl import module", "a room below, in the import list"),
    (
        "module.module",
        "from visionthink_pl.rollout import RolloutEngine",
        "the module never samples",
    ),
    ("module.module", "from visionthink_pl.rewards.base import Reward", "the module never scores"),
    (
        "policy.load",
        "def late():\n    import visionthink_pl.commands.trainer.cli",
        "hidden in a function",
    ),
]


@pytest.mark.parametrize(("module", "line", "why"), FORBIDDEN)
def test_a_forbidden_import_is_reported(module: str, line: str, why: str) -> None:
    known = modules()
    known[f"{PACKAGE}.{module}"] += f"\n{line}\n"
    (report,) = downward(known)
    assert report.startswith(f"{PACKAGE}.{module} imports "), why


PLAIN = ("families", "policy", "rollout", "losses", "training")  # rooms without Lightning


def of_lightning(known: Mapping[str, str]) -> list[str]:
    """Modules of those rooms that import it."""
    return [
        name
        for name, text in known.items()
        if room(name) in PLAIN and re.search(r"^\s*(from|import) lightning\b", text, re.MULTILINE)
    ]


def test_the_training_step_knows_no_lightning() -> None:
    known = modules()
    assert of_lightning(known) == []
    known[f"{PACKAGE}.training.update"] += "\nfrom lightning import Trainer\n"
    assert of_lightning(known) == [f"{PACKAGE}.training.update"]


def around_the_policy(known: Mapping[str, str]) -> list[str]:
    """Modules of ``rollout`` that reach through the policy to the model. Whoever sets up engine and
    conversation, and samples nothing, knows the family: outside of the room, and in one module."""
    inner = re.compile(r"policy\.(model|family|base|features)\b")
    allowed = {f"{PACKAGE}.rollout.one_image": {"family"}}
    return [
        name
        for name, text in known.items()
        if room(name) == "rollout" and set(inner.findall(text)) - allowed.get(name, set())
    ]


def test_rollouts_reach_the_model_through_the_policy_alone() -> None:
    known = modules()
    assert around_the_policy(known) == []
    known[f"{PACKAGE}.rollout.decoder"] += "\nx = self._policy.base\n"
    known[f"{PACKAGE}.rollout.one_image"] += "\nx = policy.base\n"
    found = [f"{PACKAGE}.rollout.{name}" for name in ("decoder", "one_image")]
    assert around_the_policy(known) == found


def test_the_package_itself_imports_no_room() -> None:
    known = modules()
    known[PACKAGE] += "\nfrom visionthink_pl.types import VQASample\n"
    assert downward(known) == ["visionthink_pl imports visionthink_pl.types"]


# Imports added to modules of one folder, which are free there but for coming back.
CIRCLES = [
    ({"data.source": "from visionthink_pl.data import LookCloser"}, "through its own folder"),
    ({"data.source": "from visionthink_pl.data.folder import ImageFolder"}, "straight back"),
    ({"losses.base": "import visionthink_pl.losses.base"}, "itself"),
]


@pytest.mark.parametrize(("added", "why"), CIRCLES)
def test_a_circle_is_reported(added: dict[str, str], why: str) -> None:
    known = modules()
    for module, line in added.items():
        known[f"{PACKAGE}.{module}"] += f"\n{line}\n"
    assert {f"{PACKAGE}.{module}" for module in added} <= set(cycles(known)), why
    assert downward(known) == []
