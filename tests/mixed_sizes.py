"""Questions of which every other one has an image too small for a second look."""

from dataclasses import replace

from visionthink_pl.data import LookCloser, Source
from visionthink_pl.types import UnreadableSample, VQASample


class MixedSizes(Source):
    """Drawn questions; at odd indices the image is shrunk to one visual token.

    Args:
        length: how many.
    """

    def __init__(self, length: int) -> None:
        self._drawn = LookCloser(length, "validation")

    @property
    def kinds(self) -> tuple[str, ...]:
        return self._drawn.kinds

    def __len__(self) -> int:
        return len(self._drawn)

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        sample = self._drawn[index]
        if index % 2 == 0 or isinstance(sample, UnreadableSample):
            return sample
        return replace(sample, images=(sample.images[0].resize((28, 28)),))
