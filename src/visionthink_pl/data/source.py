"""A data source: samples by their index, or one after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from visionthink_pl.types import UnreadableSample, VQASample

Place = dict[str, Any]  # where a stream stands: plain values, kept in checkpoints


class PromptSource(ABC):
    """Where prompts come from: a ``Source`` or a ``Stream``."""

    @property
    @abstractmethod
    def kinds(self) -> tuple[str, ...]:
        """Every kind that its samples can have: known before the first sample is read, so that
        all ranks reduce the same metrics."""


class Source(PromptSource):
    """A fixed number of samples, each reachable by its index.

    A subclass is a map-style dataset: the same index always gives the same sample. Before training
    samples are read in several threads.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> VQASample | UnreadableSample: ...


class Stream(PromptSource):
    """Samples one after another, as many as there are: for what fits on no disk."""

    @abstractmethod
    def read(
        self, seed: int | None, epoch: int, place: Place | None
    ) -> Iterator[tuple[VQASample | UnreadableSample, Place]]:
        """One epoch, or what is left of it.

        Args:
            seed: of the order, which depends on nothing but it and the epoch; ``None`` takes the
                samples as they come.
            epoch: counted from 0.
            place: behind which sample to go on; ``None`` begins anew.

        Yields:
            Each sample, and the place behind it.
        """
