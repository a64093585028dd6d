"""Qwen2-VL: the first with dynamic resolution; every tower layer sees the whole image."""

from __future__ import annotations

from visionthink_pl.families.qwen import Qwen


class Qwen2VL(Qwen):
    """Qwen2-VL in any size. One visual token covers 28 x 28 pixels."""

    model_type = "qwen2_vl"
    box_unit = "thousandths"
