"""Limits in annotations, and constructors that keep to them."""

from __future__ import annotations

import inspect
import math
import pickle
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from annotated_types import Ge, Gt, Le, Lt, Unit
from jsonargparse import ArgumentParser

from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import (
    FiniteFloat,
    PositiveInt,
    Share,
    check_fields,
    complaint,
    limited,
)

# A value, its type, and what is wrong with it.
COMPLAINTS = [
    (1, Annotated[int, Ge(2)], "at least 2, not 1"),
    (2, Annotated[int, Ge(2)], None),
    (0.5, Annotated[float, Gt(0.5)], "above 0.5, not 0.5"),
    (4, Annotated[int, Le(3)], "at most 3, not 4"),
    (3, Annotated[int, Le(3)], None),
    (3, Annotated[int, Lt(3)], "below 3, not 3"),
    (math.inf, Annotated[float, Ge(0)], "at least 0, not inf"),
    (-math.inf, Annotated[float, Le(0)], "at most 0, not -inf"),
    (math.nan, Annotated[float, Ge(0)], "at least 0, not nan"),
    (math.nan, FiniteFloat, "a number, not nan"),
    (1e308, FiniteFloat, None),
    (10**400, PositiveInt, None),
    (1.1, Share, "from 0 to 1, not 1.1"),
    (1, Annotated[float, Ge(0), Lt(1)], "from 0 to below 1, not 1"),
    (0, Annotated[float, Gt(0), Le(1)], "above 0 and at most 1, not 0"),
    (0, Annotated[float, Gt(0), Lt(1)], "between 0 and 1, not 0"),
    (1, Annotated[int, Ge(0), Le(0), "why"], "must be 0, not 1; why"),
    (-1, Annotated[int, Unit("bits"), Ge(0), "why"], "at least 0 bits, not -1; why"),
    (True, PositiveInt, "at least 1, not True"),
    (True, bool | PositiveInt, None),
    (False, bool | PositiveInt, None),
    (0, bool | PositiveInt, "at least 1, not 0"),
    (None, PositiveInt | None, None),
    (0, PositiveInt | None, "at least 1, not 0"),
    ((1, 0), tuple[PositiveInt, PositiveInt], "at least 1, not (1, 0)"),
    ((1, 1), tuple[PositiveInt, PositiveInt], None),
    (True, Annotated[bool, "words without a limit"], None),
    ("text", str, None),
    (-1, int, None),
]


@pytest.mark.parametrize(("value", "kind", "wrong"), COMPLAINTS)
def test_complaint(value: Any, kind: Any, wrong: str | None) -> None:
    said = complaint(value, kind)
    if isinstance(value, tuple) and wrong:
        wrong = f"at least 1, not {value}"
    assert said == wrong


class Plain:
    """Something plain.

    Args:
        count: how many.
    """

    @limited()
    def __init__(self, count: PositiveInt = 3, share: Share | None = None) -> None:
        """Make it."""
        self.count, self.share = count, share


class Derived(Plain):
    def __init__(self, more: int, **options: Any) -> None:
        super().__init__(**options)
        self.more = more


class Keyed:
    @limited("here")
    def __init__(self, needed: PositiveInt) -> None:
        self.needed = needed


@dataclass(frozen=True)
class Fields:
    count: PositiveInt = 3

    def __post_init__(self) -> None:
        check_fields(self, "there")


REFUSED = [
    (lambda: Plain(0), "Plain.count: at least 1, not 0", "by place"),
    (lambda: Plain(count=0), "Plain.count: at least 1, not 0", "by name"),
    (lambda: Plain(1, 2.0), "Plain.share: from 0 to 1, not 2.0", "the second"),
    (lambda: Derived(0, count=0), "Derived.count: at least 1, not 0", "by a class derived from it"),
    (lambda: Keyed(0), "here.needed: at least 1, not 0", "under a key"),
    (lambda: Fields(0), "there.count: at least 1, not 0", "a dataclass"),
]


@pytest.mark.parametrize(("make", "message", "why"), REFUSED)
def test_a_constructor_refuses(make: Any, message: str, why: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        make()
    assert str(refusal.value) == message, why


def test_a_limited_class_is_else_as_any_other() -> None:
    assert list(inspect.signature(Plain).parameters) == ["count", "share"]
    assert Plain.__init__.__doc__ == "Make it."
    assert pickle.loads(pickle.dumps(Plain(5))).count == 5
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'needed'"):
        Keyed()  # type: ignore[call-arg]


@pytest.mark.parametrize("of", [Plain, Derived])
def test_the_parser_sees_types_without_limits(of: type) -> None:
    """It would check them in words of its own."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(of, "a")
    assert "how many. (type: int, default: 3)" in parser.format_help()
    assert parser.parse_args(["--a.more=1", "--a.count=0"][of is Plain :]).a.count == 0
