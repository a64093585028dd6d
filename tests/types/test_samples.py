"""A sample's other columns: nobody can change them, and they survive what samples go through."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from helpers import make_sample
from visionthink_pl.types import VQASample

EXTRA = {"difficulty": 3, "box": [1, 2], "source": {"page": [7]}, "seen": None, "ok": True}
SAMPLE = replace(make_sample(), extra=EXTRA)


def test_there_are_none_by_default() -> None:
    assert dict(make_sample().extra) == {} and make_sample().extra == {}


def test_values_are_as_they_were_given() -> None:
    assert SAMPLE.extra == EXTRA and dict(SAMPLE.extra) == EXTRA
    assert list(SAMPLE.extra) == list(EXTRA) and len(SAMPLE.extra) == 5
    assert type(SAMPLE.extra["box"]) is list and type(SAMPLE.extra["source"]) is dict
    assert SAMPLE.extra.get("none", 7) == 7 and "none" not in SAMPLE.extra
    with pytest.raises(KeyError, match="none"):
        SAMPLE.extra["none"]


CHANGES: list[Callable[[Any], Any]] = [
    lambda sample: sample.extra.__setitem__("difficulty", 9),
    lambda sample: sample.extra.__delitem__("difficulty"),
    lambda sample: sample.extra.update(difficulty=9),
    lambda sample: sample.extra.clear(),
    lambda sample: sample.extra.pop("box"),
    lambda sample: sample.extra.setdefault("new", 9),
    lambda sample: setattr(sample.extra, "new", 9),
    lambda sample: setattr(sample, "extra", {}),
    lambda sample: operator_or(sample),
]


def operator_or(sample: Any) -> None:
    sample.extra |= {"new": 9}


@pytest.mark.parametrize("change", CHANGES)
def test_nobody_can_change_them(change: Callable[[Any], Any]) -> None:
    sample = replace(make_sample(), extra=EXTRA)
    with pytest.raises((AttributeError, TypeError)):
        change(sample)
    assert sample.extra == EXTRA


def test_what_is_changed_within_a_value_is_a_copy() -> None:
    sample = replace(make_sample(), extra=EXTRA)
    sample.extra["box"].append(3)
    sample.extra["source"]["page"].append(8)
    dict(sample.extra)["box"].clear()
    assert sample.extra == EXTRA == SAMPLE.extra


def test_a_key_that_is_added_to_what_was_given_changes_nothing() -> None:
    given = dict(EXTRA)
    sample = replace(make_sample(), extra=given)
    given["new"] = 9
    assert sample.extra == EXTRA


ROUND_TRIPS: list[Callable[[VQASample], VQASample]] = [
    copy.copy,
    copy.deepcopy,
    lambda sample: replace(sample, views=None),
    lambda sample: VQASample(**asdict(sample)),
    *(lambda s, p=p: pickle.loads(pickle.dumps(s, p)) for p in range(2, 6)),
]


@pytest.mark.parametrize("round_trip", ROUND_TRIPS)
def test_they_survive_copies_and_pickles(round_trip: Callable[[VQASample], VQASample]) -> None:
    found = round_trip(SAMPLE)
    assert found == SAMPLE and found.extra == EXTRA
    with pytest.raises(TypeError):
        found.extra["new"] = 9  # type: ignore[index]


def test_samples_that_differ_in_them_differ() -> None:
    assert replace(SAMPLE, extra={"difficulty": 4}) != SAMPLE
    assert hash(replace(SAMPLE, images=())) == hash(replace(SAMPLE, images=()))
