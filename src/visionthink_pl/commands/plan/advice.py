"""Single changes that would make a step fit, least costly first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from visionthink_pl.commands.plan.estimate import estimate
from visionthink_pl.commands.plan.setup import Setup
from visionthink_pl.policy import Lora

LEAST_GROUP, LEAST_PIXELS = 2, 256 * 28 * 28


@dataclass(frozen=True)
class Change:
    """Another value of one setting.

    Attributes:
        key: of the config.
        value: what to set it to.
        peak: bytes that a step needs then.
    """

    key: str
    value: str
    peak: int


def advise(setup: Setup, room: float) -> list[Change]:
    """The changes of one setting with which a step fits into ``room`` bytes.

    First those that cost nothing but time, then those that train something else.
    """
    found: list[Change] = []
    for key, values in _changes(setup):
        if not values or estimate(values[-1][1]).peak > room:
            continue  # even the least needs too much
        for value, changed in values:
            peak = estimate(changed).peak
            if peak <= room:
                found.append(Change(key, value, peak))
                break
    return found


def _changes(setup: Setup) -> Iterator[tuple[str, list[tuple[str, Setup]]]]:
    """Settings, each with values that need less and less."""
    yield (
        "model.micro_batch_size",
        [(str(n), replace(setup, micro_batch_size=n)) for n in _halves(setup.micro_batch_size, 1)],
    )
    rows = min(setup.rows, setup.trajectories)
    yield (
        "rollout.rows",
        [(str(n), replace(setup, rows=n)) for n in _halves(rows, setup.group_size)],
    )
    if setup.checkpointing != 1:
        yield "model.gradient_checkpointing", [("true", replace(setup, checkpointing=1))]
    if isinstance(setup.tuning, Lora):
        if setup.tuning.quantization is None:
            packed = replace(setup, tuning=replace(setup.tuning, quantization="nf4"))
            yield "model.lora.quantization", [("nf4", packed)]
    else:
        yield "model.lora", [("{r: 16}", replace(setup, tuning=Lora()))]
    yield (
        "rollout.group_size",
        [(str(n), replace(setup, group_size=n)) for n in _halves(setup.group_size, LEAST_GROUP)],
    )
    least = max(LEAST_PIXELS, setup.min_pixels)
    yield (
        "rollout.limits.max_pixels",
        [(str(n), replace(setup, max_pixels=n)) for n in _halves(setup.max_pixels, least)],
    )


def _halves(value: int, least: int) -> list[int]:
    out = []
    while value // 2 >= least:
        value //= 2
        out.append(value)
    return out
