"""Qwen2.5-VL: Qwen2-VL with another tower, most layers of which see windows of the image."""

from __future__ import annotations

from visionthink_pl.families.qwen import Qwen


class Qwen2_5VL(Qwen):
    """Qwen2.5-VL in any size. One visual token covers 28 x 28 pixels."""

    model_type = "qwen2_5_vl"
    box_unit = "pixels"
