"""Learning rates by hand, and settings that can't work."""

import math

import pytest
import torch
from torch import nn

from visionthink_pl.optimizer import AdamW
from visionthink_pl.types import ConfigError


def rates(settings: AdamW, steps: int, total_steps: float) -> list[float]:
    """The learning rate of each of the first optimizer steps."""
    parameter = nn.Parameter(torch.zeros(1))
    optimizer, schedule = settings.build([parameter], total_steps)
    out = []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return out


# Settings, total steps, and the learning rate of each step.
BY_HAND = [
    (AdamW(lr=0.8), math.inf, [0.8] * 4),
    (AdamW(lr=0.8, warmup_steps=4), math.inf, [0.0, 0.2, 0.4, 0.6, 0.8, 0.8]),
    (AdamW(lr=0.8, schedule="linear"), 4, [0.8, 0.6, 0.4, 0.2, 0.0]),
    (AdamW(lr=0.8, schedule="linear", warmup_steps=2), 4, [0.0, 0.4, 0.8, 0.4, 0.0]),
    (
        AdamW(lr=0.8, schedule="cosine"),
        4,
        [0.4 * (1 + math.cos(math.pi * t / 4)) for t in range(5)],
    ),
]


@pytest.mark.parametrize(("settings", "total_steps", "expected"), BY_HAND)
def test_schedules(settings: AdamW, total_steps: float, expected: list[float]) -> None:
    assert rates(settings, len(expected), total_steps) == pytest.approx(expected)


def test_settings_reach_the_optimizer() -> None:
    optimizer, _ = AdamW(lr=0.1, weight_decay=0.2, betas=(0.5, 0.6)).build(
        [nn.Parameter(torch.zeros(1))], 1
    )
    group = optimizer.param_groups[0]
    assert (group["weight_decay"], group["betas"]) == (0.2, (0.5, 0.6))


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"lr": 0.0}, "nothing would be learned"),
        ({"lr": math.nan}, "no number"),
        ({"lr": math.inf}, "no end"),
        ({"betas": (0.9, 1.0)}, "a mean that never moves"),
        ({"betas": (-0.1, 0.9)}, "below 0"),
        ({"weight_decay": -1.0}, "growth"),
        ({"weight_decay": math.nan}, "no number"),
        ({"warmup_steps": -1}, "no steps"),
    ],
)
def test_settings_that_cannot_work(setting: dict, why: str) -> None:
    name = next(iter(setting))
    with pytest.raises(ConfigError, match=rf"model\.optimizer\.{name}"):
        AdamW(**setting)


def test_8_bits_hold_the_running_means_and_step_about_as_fp32_does() -> None:
    generator = torch.Generator().manual_seed(0)
    start, gradient = (torch.randn(64, 128, generator=generator) for _ in range(2))
    after = {}
    for variant in ("torch", "8bit"):
        parameter = nn.Parameter(start.clone())
        settings = AdamW(lr=0.01, variant=variant)
        optimizer, _ = settings.build([parameter], math.inf)
        for sign in (1, 1, -0.5):
            parameter.grad = sign * gradient
            optimizer.step()
        after[variant] = parameter.detach()
        state = optimizer.state[parameter]
    assert state["state1"].dtype == torch.uint8  # of the last, 8bit
    moved = (after["torch"] - start).abs().mean()
    assert (after["8bit"] - after["torch"]).abs().mean() < 0.1 * moved
