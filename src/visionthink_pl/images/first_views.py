"""First views: what a prompt begins with."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from annotated_types import Gt, Le
from PIL import Image

from visionthink_pl.images.sizes import PixelLimits, Size, half, half_size
from visionthink_pl.types import View, VQASample
from visionthink_pl.types.limits import limited


class FirstView(ABC):
    """What a prompt shows of a sample, and what one look at all of it would be."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if {"first", "views", "full"} & vars(cls).keys() and "size" not in vars(cls):
            cls.size = FirstView.size  # type: ignore[method-assign]  # a parent's says nothing here

    def size(self, high: Size) -> Size | None:
        """The size of the first view of an image of size ``high``, where that alone decides it.
        By default ``None``: the length of a prompt is then counted on the image itself."""
        return None

    def full(self, sample: VQASample, limits: PixelLimits) -> list[View]:
        """One look at all of a sample: by default its images within the pixel limits."""
        images = enumerate(sample.images)
        return [View(limits.apply(image), source=source) for source, image in images]

    def views(self, sample: VQASample, full: Sequence[View]) -> list[View]:
        """What a prompt shows: by default ``first`` of each image. Called by any thread of the
        loader, without gradients.

        Args:
            sample: that is asked about.
            full: one look at all of it.
        """
        return [replace(view, image=self.first(view.image, sample)) for view in full]

    @abstractmethod
    def first(self, high: Image.Image, sample: VQASample) -> Image.Image:
        """The first view of an image. Called by any thread of the loader, without gradients.

        Args:
            high: an image of the sample within the pixel limits.
            sample: what it belongs to.
        """


class HalfView(FirstView):
    """Half the width and half the height: a quarter of the pixels (paper, Sec. 3.2)."""

    def first(self, high: Image.Image, sample: VQASample) -> Image.Image:
        return half(high)

    def size(self, high: Size) -> Size:
        return half_size(high)


class ScaledView(FirstView):
    """A share of the pixels, at the image's own ratio of sides.

    Args:
        pixels: share of the full image's pixels, above 0 and at most 1.
    """

    @limited()
    def __init__(self, pixels: Annotated[float, Gt(0), Le(1)]) -> None:
        self.pixels = pixels

    def first(self, high: Image.Image, sample: VQASample) -> Image.Image:
        size = self.size(Size(*high.size))
        return high.resize((size.width, size.height), Image.Resampling.BICUBIC)

    def size(self, high: Size) -> Size:
        scale = math.sqrt(self.pixels)
        return Size(max(1, int(high.width * scale)), max(1, int(high.height * scale)))


class FullView(FirstView):
    """The whole image at once: the paper's General recipe. No second look is offered."""

    def first(self, high: Image.Image, sample: VQASample) -> Image.Image:
        return high

    def size(self, high: Size) -> Size:
        return high


class InFull(FullView):
    """All that another first view could be followed by: one look at all of the sample, as that view
    has it.

    Args:
        view: whose ``full`` is shown.
    """

    def __init__(self, view: FirstView) -> None:
        self._view = view

    def full(self, sample: VQASample, limits: PixelLimits) -> list[View]:
        return self._view.full(sample, limits)
