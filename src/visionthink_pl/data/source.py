"""A data source: a fixed number of samples, each reachable by its index."""

from __future__ import annotations

from abc import ABC, abstractmethod

from visionthink_pl.types import UnreadableSample, VQASample


class Source(ABC):
    """Where samples come from.

    A subclass is a map-style dataset: the same index always gives the same sample.
    """

    @property
    @abstractmethod
    def kinds(self) -> tuple[str, ...]:
        """Every kind that its samples can have: known before the first sample is read, so that
        all ranks reduce the same metrics."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> VQASample | UnreadableSample: ...
