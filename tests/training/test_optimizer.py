"""Learning rates by hand, and settings that can't work."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn
from transformers import get_scheduler

from visionthink_pl.training import AdamW
from visionthink_pl.training.training_length import TrainingLength
from visionthink_pl.types import ConfigError

VARIANTS = ("torch", "8bit", "paged", "paged_8bit")


def rates(settings: AdamW, done: Sequence[float], total_steps: float) -> list[float]:
    """The learning rate of each optimizer step, given what share of the training lies behind."""
    return [
        settings.lr * settings.factor(step, share, total_steps) for step, share in enumerate(done)
    ]


QUARTERS = [0, 0.25, 0.5, 0.75, 1]
LINEAR, COSINE = AdamW(lr=0.8, schedule="linear"), AdamW(lr=0.8, schedule="cosine")
WARM = AdamW(lr=0.8, schedule="linear", warmup_steps=2)
# Settings, the share that is done before each step, total steps, learning rates, and why.
BY_HAND = [
    (AdamW(lr=0.8), [0] * 4, math.inf, [0.8] * 4, "constant"),
    (AdamW(lr=0.8, warmup_steps=4), [0] * 6, math.inf, [0.0, 0.2, 0.4, 0.6, 0.8, 0.8], "warm-up"),
    (LINEAR, QUARTERS, 4, [0.8, 0.6, 0.4, 0.2, 0.0], "a step each batch"),
    (WARM, QUARTERS, 4, [0.0, 0.4, 0.8, 0.4, 0.0], "it falls from the end of the warm-up"),
    (COSINE, QUARTERS, 4, [0.4 * (1 + math.cos(math.pi * t / 4)) for t in range(5)], "cosine"),
    (LINEAR, [0, 0.5, 1], 4, [0.8, 0.4, 0.0], "every other batch takes no step"),
    (COSINE, [0.75, 1], 4, [0.4 * (1 - math.sqrt(0.5)), 0.0], "nor do the first three"),
    (WARM, [0.75, 0.75, 0.875], 4, [0.0, 0.4, 0.2], "nor while it warms up: no step back up"),
    (WARM, [0, 0.5, 1], 2, [0.0, 0.4, 0.0], "the warm-up is as long as the training"),
    (AdamW(lr=0.8, warmup_steps=8), [0, 0.5, 1], 2, [0.0, 0.1, 0.2], "or longer"),
]


@pytest.mark.parametrize(("settings", "done", "total_steps", "expected", "why"), BY_HAND)
def test_schedules(
    settings: AdamW, done: list[float], total_steps: float, expected: list[float], why: str
) -> None:
    assert rates(settings, done, total_steps) == pytest.approx(expected), why


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("warmup", [0, 3, 10])
def test_a_step_each_batch_goes_as_transformers_has_it(schedule: str, warmup: int) -> None:
    total = 10
    settings = AdamW(lr=0.8, schedule=schedule, warmup_steps=warmup)
    optimizer = settings.build([nn.Parameter(torch.zeros(1))])
    theirs = get_scheduler(schedule, optimizer, warmup, total)
    for step in range(total):
        found = settings.lr * settings.factor(step, step / total, total)
        assert found == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12), step
        optimizer.step()
        theirs.step()


# Batches an epoch, max_epochs, max_steps, updates a batch; epochs and steps so far; the share that
# is done, the most steps there can be, and why.
LENGTHS = [
    ((10, 4, -1, 1), (1.5, 15), 0.375, 40, "epochs alone"),
    ((10, 4, -1, 1), (1.5, 3), 0.375, 40, "whatever steps were taken"),
    ((10, 4, -1, 2), (1.5, 30), 0.375, 80, "several steps a batch"),
    ((10, -1, 20, 1), (1.5, 15), 0.75, 20, "steps alone"),
    ((math.inf, -1, 20, 1), (0.0, 15), 0.75, 20, "a stream"),
    ((math.inf, 3, 20, 1), (1.0, 5), 1 / 3, 20, "a stream that ends by epochs"),
    ((10, 4, 20, 1), (1.5, 15), 0.75, 20, "both: steps come first"),
    ((10, 4, 20, 1), (3.0, 5), 0.75, 20, "both: too few steps were taken for that"),
    ((10, 4, 100, 1), (1.5, 15), 0.375, 40, "both: epochs come first"),
    ((10, 4, -1, 1), (5.0, 50), 1.0, 40, "beyond the end"),
]


@pytest.mark.parametrize(("limits", "so_far", "done", "steps", "why"), LENGTHS)
def test_lengths(
    limits: tuple[float, int, int, int],
    so_far: tuple[float, int],
    done: float,
    steps: float,
    why: str,
) -> None:
    length = TrainingLength(*limits)
    assert length.done(*so_far) == pytest.approx(done), why
    assert length.steps == steps, why


@pytest.mark.parametrize("variant", ["torch", "8bit"])
def test_settings_reach_the_optimizer_and_one_that_was_restored(variant: Any) -> None:
    parameters = [nn.Parameter(torch.zeros(1))]
    settings = AdamW(lr=0.1, weight_decay=0.2, betas=(0.5, 0.6), variant=variant)
    built, restored = (s.build(parameters) for s in (settings, AdamW(lr=0.3, variant=variant)))
    settings.apply(restored.param_groups, built.param_groups)
    for optimizer, rate in ((built, 0.1), (restored, 0.3)):  # which the schedule sets
        (group,) = optimizer.param_groups
        assert (group["lr"], group["weight_decay"], group["betas"]) == (rate, 0.2, (0.5, 0.6))


def test_what_a_resumed_run_changes_is_told() -> None:
    saved = AdamW(lr=1e-5).record()
    assert AdamW(lr=1e-5).changes(saved) == []
    now = AdamW(lr=3e-5, betas=(0.8, 0.999), schedule="cosine", warmup_steps=4)
    assert now.changes(saved) == [
        "model.optimizer.lr 3e-05 (was 1e-05)",
        "model.optimizer.schedule cosine (was constant)",
        "model.optimizer.warmup_steps 4 (was 0)",
        "model.optimizer.betas (0.8, 0.999) (was (0.9, 0.999))",
    ]


@pytest.mark.parametrize(("before", "now"), list(itertools.permutations(VARIANTS, 2)))
def test_running_means_of_another_variant_are_refused(before: Any, now: Any) -> None:
    saved = AdamW(variant=before).record()
    with pytest.raises(ConfigError, match=rf"variant: {now} can't .* resume with {before}, or"):
        AdamW(variant=now).changes(saved)


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
        optimizer = settings.build([parameter])
        for sign in (1, 1, -0.5):
            parameter.grad = sign * gradient
            optimizer.step()
        after[variant] = parameter.detach()
        state = optimizer.state[parameter]
    assert state["state1"].dtype == torch.uint8  # of the last, 8bit
    moved = (after["torch"] - start).abs().mean()
    assert (after["8bit"] - after["torch"]).abs().mean() < 0.1 * moved
