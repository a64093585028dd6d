"""Limits of the numbers that can be set. Each stands once, in the annotation of its option: from
there constructors take it, and so does the command line before torch is loaded.

An annotation may hold ``Ge``, ``Gt``, ``Le`` and ``Lt`` of ``annotated_types``, the lower bound
first; its ``Unit``; and a text that says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import astuple
from functools import cache, wraps
from inspect import signature
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, Predicate, Unit

from visionthink_pl.types import ConfigError

PositiveInt = Annotated[int, Ge(1)]
NonNegativeInt = Annotated[int, Ge(0)]
FiniteFloat = Annotated[float, Predicate(math.isfinite)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
TopP = Annotated[float, Gt(0), Le(1)]
Seed = Annotated[int, Ge(0), Le(2**32 - 1), "a run can be repeated by it"]

SHORT = {2**32 - 1: "2**32 - 1"}  # bounds that are easier to read so
WORDS: dict[tuple[type, ...], str] = {
    (Ge,): "at least {}",
    (Gt,): "above {}",
    (Le,): "at most {}",
    (Lt,): "below {}",
    (Ge, Le): "from {} to {}",
    (Ge, Lt): "from {} to below {}",
    (Gt, Le): "above {} and at most {}",
    (Gt, Lt): "between {} and {}",
    (Predicate,): "a number",
}
Init = TypeVar("Init", bound=Callable[..., None])


def limited(key: str | None = None) -> Callable[[Init], Init]:
    """Let an ``__init__`` first refuse values that its annotations do not allow.

    Args:
        key: under which the options stand in a config; by default the name of the class, in
            whose place ``commands.parsing.error_messages.with_key`` puts the key.
    """

    def decorate(init: Init) -> Init:
        _, *names = signature(init).parameters

        @wraps(init)
        def checked(self: Any, *args: Any, **options: Any) -> None:
            given = dict(zip(names, args, strict=False)) | options
            _refuse(given, init, type(self).__name__ if key is None else key)
            init(self, *args, **options)

        return cast(Init, checked)

    return decorate


def check_fields(of: Any, key: str = "") -> None:
    """The same for a dataclass, in its ``__post_init__``.

    Raises:
        ConfigError: a field is out of its limits.
    """
    _refuse(vars(of), type(of), key)


def complaint(value: Any, kind: Any) -> str | None:
    """What is wrong with a value, such as ``at least 2, not 1``; ``None`` where nothing is.

    Args:
        value: of the right type, limits aside.
        kind: the type, with its limits. A float that has any must be finite.
    """
    if (limits := _broken(value, kind)) is None:
        return None
    bounds = _bounds(limits)
    written = [SHORT.get(astuple(bound)[0], astuple(bound)[0]) for bound in bounds]
    one_value = len(written) == 2 and written[0] == written[1]
    right = "must be {}" if one_value else WORDS[tuple(type(bound) for bound in bounds)]
    units = [f" {limit.unit}" for limit in limits if isinstance(limit, Unit)]
    reasons = [f"; {limit}" for limit in limits if isinstance(limit, str)]
    return "".join([right.format(*written), *units, f", not {value}", *reasons])


def _refuse(values: Mapping[str, Any], of: Any, key: str) -> None:
    for name, kind in _kinds(of).items():
        if name in values and (wrong := complaint(values[name], kind)):
            raise ConfigError(f"{key}.{name}: {wrong}" if key else f"{name}: {wrong}")


@cache
def _kinds(of: Any) -> dict[str, Any]:
    return get_type_hints(of, include_extras=True)


def _broken(value: Any, kind: Any) -> tuple[Any, ...] | None:
    """The limits that a value breaks: of the type, of a part of a union, or of an element."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return None if all(_meets(value, bound) for bound in _bounds(parts)) else parts[1:]
    if origin in (Union, UnionType):
        if any(isinstance(part, type) and isinstance(value, part) for part in parts):
            return None
        found = [_broken(value, part) for part in parts]
    else:
        elements = zip(value, parts, strict=False) if origin is tuple else ()
        found = [_broken(element, part) for element, part in elements]
    return next((limits for limits in found if limits is not None), None)


def _bounds(limits: tuple[Any, ...]) -> list[Any]:
    return [limit for limit in limits if isinstance(limit, Ge | Gt | Le | Lt | Predicate)]


def _meets(value: Any, bound: Any) -> bool:
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        return False
    match bound:
        case Ge(least):
            return bool(value >= least)
        case Gt(least):
            return bool(value > least)
        case Le(most):
            return bool(value <= most)
        case Lt(most):
            return bool(value < most)
    return True
