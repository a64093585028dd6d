"""The tables of docs/rewards.md on what a reward can read hold all that there is, and no more."""

import doctest
import re
from dataclasses import fields
from pathlib import Path

import pytest

from visionthink_pl.types import Group, StopReason, Trajectory, Turn, VQASample

PAGE = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text(encoding="utf-8")
AFTERWARDS = {"logprob_difference"}  # what training fills
SCORES = {"parts", "turn_parts", "rewards", "weights"}  # what scoring fills


def table(heading: str) -> list[str]:
    """The first column of the table under ``heading``: the names in it."""
    _, found, rest = PAGE.partition(f"\n| {heading} | what |\n|---|---|\n")
    assert found, heading
    rows = rest.partition("\n\n")[0].splitlines()
    return [name for row in rows for name in re.findall(r"`([\w.]+)`", row.split("|")[1])]


def public(kind: type) -> set[str]:
    """Fields and properties of a dataclass."""
    properties = {name for name, value in vars(kind).items() if isinstance(value, property)}
    return {field.name for field in fields(kind)} | properties


OF_THE_GROUP = {f"group.{name}" for name in public(Group) - SCORES - {"sample"}}
OF_THE_SAMPLE = {f"group.sample.{name}" for name in public(VQASample)}


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("of the group", OF_THE_GROUP | OF_THE_SAMPLE),
        ("of a trajectory", public(Trajectory) - AFTERWARDS),
        ("of a turn", public(Turn)),
    ],
)
def test_the_tables_name_what_there_is(heading: str, expected: set[str]) -> None:
    named = table(heading)
    assert set(named) == expected and len(named) == len(expected)


def test_the_stop_reasons_are_all_there() -> None:
    (row,) = re.findall(r"^\| `stop` \|(.*)\|$", PAGE, re.MULTILINE)
    names = re.findall(r"`(?:StopReason\.)?(\w+)`", row)
    assert names == list(StopReason.__members__)


def test_the_example_group_of_the_page() -> None:
    (text,) = re.findall(r"```pycon\n(.*?)```", PAGE, re.DOTALL)
    example = doctest.DocTestParser().get_doctest(text, {}, "page", None, 0)
    assert doctest.DocTestRunner().run(example) == (0, len(example.examples))
