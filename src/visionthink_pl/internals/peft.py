"""PEFT: which layers a pattern hits, and its layers themselves."""

from __future__ import annotations

from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import check_target_module_exists

__all__ = ["LoraLayer", "check_target_module_exists"]
