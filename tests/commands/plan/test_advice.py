"""Advice, with a formula in place of the estimate."""

from collections import Counter
from dataclasses import replace

import pytest

from plan_helpers import make_setup
from visionthink_pl.commands.plan import advice
from visionthink_pl.commands.plan.advice import MOST, Advice
from visionthink_pl.commands.plan.cards import CONTEXT, Card
from visionthink_pl.commands.plan.estimate import Estimate
from visionthink_pl.commands.plan.plan_report import Report
from visionthink_pl.commands.plan.setup import Setup
from visionthink_pl.policy import Full, Lora

PACKED = Lora(quantization="nf4")
estimated: list[Setup] = []


def made_up(setup: Setup) -> Estimate:
    """Weights, 1 a row in rollouts, and 1 a trajectory in the update, 4 without checkpointing;
    more for smaller groups, which have as many more images."""
    estimated.append(setup)
    tuning = setup.tuning
    weights = 100 if isinstance(tuning, Full) else 10 if tuning.quantization else 40
    rows = setup.groups_at_once * setup.group_size
    passed = setup.in_one_pass * (1 if setup.checkpointing else 4)
    images = setup.max_pixels // 1_000_000
    phases = {
        "decoding": Counter({"weights": weights, "KV cache": rows}),
        "backward": Counter({"weights": weights, "activations": passed + images}),
    }
    return Estimate(phases, {}, {}, {"text": 0, "visual": 0})


def plain(**changes: object) -> Setup:
    """48 in decoding's rows, 8 in a pass, 8 of images: 88 and 56."""
    setup = make_setup("embedded", {}, prompts=16)
    changed = {"rows": 48, "max_pixels": 8_000_000, "checkpointing": 1} | changes
    return replace(setup, **{"tuning": Lora(), **changed})


@pytest.fixture(autouse=True)
def _made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    estimated.clear()
    monkeypatch.setattr(advice, "estimate", made_up)


def advised(setup: Setup, room: float) -> Advice:
    return advice.advise(setup, made_up(setup), room)


def alone(setup: Setup, room: float) -> list[tuple[str, str]]:
    return [(change.key, change.value) for change in advised(setup, room).changes]


def test_single_changes_in_the_order_of_their_cost() -> None:
    assert alone(plain(), 70) == [("rollout.rows", "24"), ("model.lora.quantization", "nf4")]
    assert advised(plain(), 70).together is None


def test_smaller_groups_suffice_alone_where_fewer_rows_remain() -> None:
    """16 prompts in groups of 2 are 32 rows; in groups of 4 they are 64, 48 of them at once."""
    assert ("rollout.group_size", "2") in alone(plain(), 75)
    assert "rollout.group_size" not in dict(alone(plain(prompts=99), 75))


def test_full_fine_tuning_is_advised_4_bits_where_bf16_does_not_fit() -> None:
    full = plain(tuning=Full())
    assert alone(full, 95) == [("model.lora", "{r: 16}")]
    assert alone(full, 60) == [("model.lora", "{r: 16, quantization: nf4}")]


# what is set; the room; what must be found, each value as large as it can be
TOGETHER: list[tuple[dict[str, object], float, dict[str, str]]] = [
    # Decoding and backward are both too large, each by a setting of its own.
    (
        {"tuning": PACKED, "micro_batch_size": 32},
        36,
        {"model.micro_batch_size": "16", "rollout.rows": "24"},
    ),
    # Weights of 40 leave no room at all; with 4 bits micro-batches may stay whole, and rows 24.
    ({}, 39, {"rollout.rows": "24", "model.lora.quantization": "nf4"}),
    # One group at a time already: smaller ones.
    (
        {"tuning": PACKED, "group_size": 16, "rows": 16, "micro_batch_size": 1},
        19,
        {"rollout.group_size": "8", "rollout.rows": "8"},
    ),
]


@pytest.mark.parametrize(("changes", "room", "expected"), TOGETHER)
def test_together(changes: dict[str, object], room: float, expected: dict[str, str]) -> None:
    found = advised(plain(**changes), room)
    assert not found.changes and found.together is not None
    assert dict(found.together.settings) == expected
    assert found.together.fits and found.together.peak <= room
    assert len(estimated) <= MOST


def test_halves_of_estimates_are_combined(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peak that is told is the one that the settings have, estimated as a whole."""
    setup = plain(tuning=PACKED, micro_batch_size=32)
    found = advised(setup, 36).together
    assert found is not None
    assert found.peak == made_up(replace(setup, micro_batch_size=16, rows=24)).peak


def test_where_nothing_suffices_it_says_so_after_two_estimates() -> None:
    found = advised(plain(), 11)
    assert found.together is not None and not found.together.fits and not found.changes
    assert len(estimated) == 2 and found.together.weights == 10
    assert found.together.settings["model.lora.quantization"] == "nf4"
    assert found.together.settings["rollout.rows"] == "2"


def test_the_number_of_estimates_is_bounded() -> None:
    """What was found until then still fits."""
    setup = plain(tuning=Full(), micro_batch_size=1024, rows=1024, prompts=512)
    for room in (16, 20, 45, 60, 110, 130):
        estimated.clear()
        found = advised(setup, room)
        assert len(estimated) <= MOST + 2  # to the end of the walk
        assert found.changes or (found.together and found.together.fits)


def test_no_advice_that_the_limits_refuse() -> None:
    """Halves of 4,000,000 pixels go on down to 250,000, of which an image must have 900,000."""
    packed = plain(tuning=PACKED, max_pixels=4_000_000, micro_batch_size=1, group_size=2)
    for most, least in ((0, "250000"), (900_000, "1000000")):
        found = advised(replace(packed, min_pixels=most), 5).together
        assert found is not None and found.settings["rollout.limits.max_pixels"] == least


def verdict(setup: Setup, room: float) -> str:
    card = Card("a card", (room + 0.5 + CONTEXT) / 0.95)
    return Report(setup, made_up(setup), card, advised(setup, room)).verdict()


def test_the_last_resort_names_no_setting_that_is_already_on() -> None:
    said = verdict(plain(tuning=PACKED, micro_batch_size=1), 1)
    assert "Not even " in said and "use a smaller model" in said
    assert "nf4" not in said and "checkpointing" not in said
    assert "together: rollout.rows=24, model.lora.quantization=nf4" in verdict(plain(), 39)
