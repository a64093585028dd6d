"""Policies that call with a given probability, whatever the question: the embedded model after a
few steps of the warm-up that made it."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from tiny_vlm.warm_up import Phase, warm_up
from visionthink_pl.data.lookcloser import DEFAULT_MIX
from visionthink_pl.families import EMBEDDED, Qwen2_5VL

RATES = (0.02, 0.1, 0.3, 0.65, 0.95)
STEPS = 120  # of the warm-up: the loss no longer falls then


def make_start(rate: float, folder: Path) -> None:
    """Write a policy that calls with this probability to ``folder``, if it is not there yet."""
    if (folder / "done").exists():
        return
    shutil.copytree(EMBEDDED, folder, dirs_exist_ok=True)
    torch.manual_seed(0)
    family = Qwen2_5VL.from_pretrained(EMBEDDED)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(EMBEDDED, dtype=torch.float)
    phase = Phase(STEPS, 0.0, DEFAULT_MIX, lr=2e-4, seed=2, call_rate=rate)
    warm_up(family, model, phase)
    model.save_pretrained(folder)
    (folder / "done").touch()
