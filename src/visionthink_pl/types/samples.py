"""Rows of data: one question each, about one image or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image


@dataclass(frozen=True)
class Views:
    """What is shown of a sample's images.

    Attributes:
        high: each within the pixel limits.
        first: each as it is shown first.
    """

    high: Sequence[Image.Image]
    first: Sequence[Image.Image]


@dataclass(frozen=True)
class VQASample:
    """One question about one image or several. The policy sees these, nothing else.

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
        views: what is shown of its images, where a loader has made it ahead.
    """

    id: str
    question: str
    answer: str
    images: tuple[Image.Image, ...]
    kind: str
    needs_second_look: bool | None = None
    extra_kinds: tuple[str, ...] = ()
    other_answers: tuple[str, ...] = ()
    views: Views | None = field(default=None, compare=False, repr=False)

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
