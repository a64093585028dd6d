"""JSON whose meaning does not depend on the reader."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class RepeatedKey(ValueError):
    """An object names a key twice: readers differ in which of the two they take (RFC 8259, 4)."""


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object that the pairs make, for ``object_pairs_hook`` of ``json.loads``.

    Raises:
        RepeatedKey: a key is there twice.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise RepeatedKey(f"the key {key[:40]!r} is there twice")
        found[key] = value
    return found


def deeper_than(most: int, value: Any) -> bool:
    """Whether lists and objects are nested more than ``most`` deep; not by recursion, which may
    reach its limit."""
    level = [value]
    for _ in range(most + 1):
        level = [inner for outer in level for inner in _within(outer)]
        if not level:
            return False
    return True


def _within(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
