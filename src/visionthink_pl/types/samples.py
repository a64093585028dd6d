"""Rows of data: one question each, about one image or several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from visionthink_pl.types.views import Region, Views


class ReadOnlyMapping(Mapping[str, Any]):
    """Names and values that nobody can change: all trajectories of a group share their sample, and
    a source may hand out the same values again.

    A list or dict within it is returned as a copy. (``MappingProxyType`` would protect the names
    alone, and can be neither pickled nor copied deeply.)

    Args:
        values: by name; later changes of this mapping have no effect.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return _copied(self._values[name])

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


def _copied(value: Any) -> Any:
    """A copy of lists and dicts, also nested ones; other values are as they are."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class VQASample:
    """One question about one image or several. The policy sees these, nothing else.

    Rewards read the whole sample as ``group.sample``, and visual tools as ``state.sample``.

    Attributes:
        id: unique within its source; it names the sample in errors and seeds its randomness.
        question: what the user asks.
        answer: the ground truth, of several the first; empty where there is none, which only
            prediction can do without.
        images: the originals in the order in which they are shown, at least one, already upright
            and RGB (see ``images.decode``).
        kind: what metrics are split by.
        needs_second_look: whether the low-resolution image leaves the question open; ``None``
            where nobody knows. For metrics only.
        extra_kinds: further kinds that this sample is counted under.
        other_answers: further ground truths: an answer is right where it matches any of them.
        options: of multiple choice, their texts in the order of their letters; the question lists
            them too.
        evidence: the parts of its images that answer the question, where a source knows: metrics
            tell how many looks cover one.
        views: what is shown of its images, where a loader has made it ahead.
        extra: the row's other columns by name, read only; empty by default. Lists and dicts are
            handed out as copies.
    """

    id: str
    question: str
    answer: str
    images: tuple[Image.Image, ...]
    kind: str
    needs_second_look: bool | None = None
    extra_kinds: tuple[str, ...] = ()
    other_answers: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    evidence: tuple[Region, ...] = ()
    views: Views | None = field(default=None, compare=False, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.extra, ReadOnlyMapping):
            object.__setattr__(self, "extra", ReadOnlyMapping(self.extra))

    @property
    def answers(self) -> tuple[str, ...]:
        """All ground truths, ``answer`` first."""
        return (self.answer, *self.other_answers)


@dataclass(frozen=True)
class UnreadableSample:
    """A bad row: reported by id, counted, never replaced.

    Attributes:
        id: of the row.
        reason: what is wrong; up to the first colon it is the same for all rows of which the
            same is wrong.
    """

    id: str
    reason: str
