"""Settings that can be lowered so that a step needs less memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from visionthink_pl.commands.plan.setup import Setup
from visionthink_pl.policy import Lora

LEAST_GROUP, LEAST_PIXELS = 2, 256 * 28 * 28


@dataclass(frozen=True)
class Value:
    """Another value of a setting.

    Attributes:
        written: its text in a config, by dotted key.
        fields: the changed fields of ``Setup``.
    """

    written: Mapping[str, str]
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """A setting that can be changed.

    Attributes:
        values: to try, each needing less memory than the one before.
        rollout: whether they lower the memory of rollouts.
        update: whether they lower the memory of the update.
    """

    values: Sequence[Value]
    rollout: bool = True
    update: bool = True

    @property
    def halves(self) -> list[bool]:
        """The halves of a step that need less: true for rollouts, false for the update."""
        return [half for half, less in ((True, self.rollout), (False, self.update)) if less]


def settings_of(setup: Setup, alone: bool) -> list[Setting]:
    """The settings that can be lowered: first those that only cost time, then those that change
    what is trained.

    Args:
        setup: of the step.
        alone: whether each is to suffice alone.
    """
    rows = min(setup.rows, setup.trajectories)
    least_pixels = max(LEAST_PIXELS, setup.min_pixels)
    found = [
        Setting(_halves("model.micro_batch_size", setup.micro_batch_size, 1), rollout=False),
        Setting(_halves("rollout.rows", rows, setup.group_size), update=False),
        Setting(_checkpointing(setup), rollout=False),
        Setting(_tuning(setup)),
        Setting(_group_sizes(setup, rows, alone), update=_one_pass(setup)),
        Setting(_halves("rollout.limits.max_pixels", setup.max_pixels, least_pixels)),
    ]
    return [setting for setting in found if setting.values]


def _group_sizes(setup: Setup, rows: int, alone: bool) -> list[Value]:
    """Smaller groups need less only where fewer rows are generated at once: alone, they must leave
    fewer rows in all; with other changes, one group is generated at a time."""
    sizes = _halves("rollout.group_size", setup.group_size, LEAST_GROUP)
    if alone:
        return [value for value in sizes if value.fields["group_size"] * setup.prompts < rows]
    return [_one_at_a_time(value) for value in sizes]


def _one_at_a_time(value: Value) -> Value:
    size = value.fields["group_size"]
    return Value({**value.written, "rollout.rows": str(size)}, {**value.fields, "rows": size})


def _one_pass(setup: Setup) -> bool:
    """Whether a batch of the smallest groups is smaller than one micro-batch."""
    return LEAST_GROUP * setup.prompts < setup.micro_batch_size


def _halves(key: str, value: int, least: int) -> list[Value]:
    out = []
    while value // 2 >= least:
        value //= 2
        out.append(Value({key: str(value)}, {key.rpartition(".")[2]: value}))
    return out


def _checkpointing(setup: Setup) -> list[Value]:
    if setup.checkpointing == 1:
        return []
    return [Value({"model.gradient_checkpointing": "true"}, {"checkpointing": 1})]


def _tuning(setup: Setup) -> list[Value]:
    if not isinstance(setup.tuning, Lora):
        written = {"{r: 16}": Lora(), "{r: 16, quantization: nf4}": Lora(quantization="nf4")}
        return [Value({"model.lora": text}, {"tuning": lora}) for text, lora in written.items()]
    if setup.tuning.quantization is not None:
        return []
    packed = replace(setup.tuning, quantization="nf4")
    return [Value({"model.lora.quantization": "nf4"}, {"tuning": packed})]
