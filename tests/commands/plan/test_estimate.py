"""What is planned against what is measured, and against what can be counted by hand."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from families_helpers import make_checkpoint, own_class
from plan_helpers import QWEN_2_5_7B, QWEN_3_4B, SMALL, make_setup, measure
from plan_helpers import write_checkpoint as write
from visionthink_pl.callbacks import RolloutCallback
from visionthink_pl.commands.plan import estimate as module
from visionthink_pl.commands.plan.estimate import Estimate, estimate
from visionthink_pl.commands.plan.ghost import skeleton
from visionthink_pl.commands.plan.prompts import openings_of
from visionthink_pl.commands.plan.setup import Demand, Setup
from visionthink_pl.commands.plan.step import take
from visionthink_pl.images import PixelLimits
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.policy import Lora
from visionthink_pl.visual_tools import ToolResult

MEASURED = {
    "LoRA": {},
    "checkpointing": {"checkpointing": True},
    "4 bits": {"lora": {"quantization": "nf4"}, "micro": 4},
    "all weights": {"lora": None, "checkpointing": 2, "micro": 4},
    "one turn": {"turns": 1, "new_tokens": 120},
    "three looks": {"turns": 4},
    "two looks of three": {"turns": 4, "visual_tokens": 81 + 2 * 324},
    "small micro-batches, no KL": {"micro": 2, "kl": 0.0},
    "bf16": {"precision": "bf16-mixed"},
    "bf16, 4 bits": {"precision": "bf16-mixed", "lora": {"quantization": "nf4"}, "micro": 4},
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("small"), SMALL, weights=True)


@pytest.fixture(scope="module")
def measured(small: str) -> dict[str, int]:
    return dict(zip(MEASURED, measure(small, list(MEASURED.values())), strict=True))


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.parametrize("name", MEASURED)
def test_the_peak_is_the_measured_one_to_15_percent(
    name: str, small: str, measured: dict[str, int]
) -> None:
    found = estimate(make_setup(small, MEASURED[name])).peak
    assert found == pytest.approx(measured[name], rel=0.15)


@pytest.mark.long
@pytest.mark.integration
def test_the_measured_peaks_differ_by_more_than_the_tolerance(measured: dict[str, int]) -> None:
    """So that a plan that took no notice of a setting would fail above."""
    plain = measured["LoRA"]
    for name in set(MEASURED) - {"LoRA", "all weights", "two looks of three"}:
        assert abs(measured[name] - plain) > 0.3 * plain, name


def in_full(setup: Setup, depth: int) -> Estimate:
    """Of all layers, none of them extended."""
    openings = openings_of(setup)
    return module._whole(setup, openings, take(setup, openings, depth, depth))


DEPTHS = {
    "every second checkpointed": {"checkpointing": 2},
    "all weights": {"lora": None},
}


@pytest.mark.parametrize("name", DEPTHS)
def test_few_layers_extended_are_all_layers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = replace(SMALL, text=(64, 256, 13, 4, 2, 16, 640))
    setup = make_setup(write(tmp_path, deep), {"side": 112, "new_tokens": 4} | DEPTHS[name])
    extended = estimate(setup)
    whole = in_full(setup, 13)
    assert extended.peak == pytest.approx(whole.peak, rel=1e-3)
    for phase, most in whole.phases.items():
        assert extended.phases[phase].total() == pytest.approx(most.total(), rel=1e-3), phase
    assert extended.flops == pytest.approx(whole.flops, rel=1e-6)


@pytest.mark.long
def test_few_layers_extended_with_deepstack(tmp_path: Path) -> None:
    tower = QWEN_3_4B.tower | {"depth": 4, "hidden_size": 64, "intermediate_size": 128}
    tower |= {"num_heads": 2, "deepstack_visual_indexes": [0, 1, 2]}
    deep = replace(QWEN_3_4B, text=(64, 256, 12, 4, 2, 16, 640), tower=tower)
    setup = make_setup(write(tmp_path, deep), {"side": 128, "new_tokens": 4})
    whole = in_full(setup, 12)
    assert estimate(setup).peak == pytest.approx(whole.peak, rel=1e-3)


@pytest.mark.parametrize(
    ("sizes", "billions"),
    [(QWEN_2_5_7B, 8.29), pytest.param(QWEN_3_4B, 4.44, marks=pytest.mark.long)],
    ids=["Qwen2.5-VL-7B", "Qwen3-VL-4B"],
)
def test_weights_are_counted_and_not_extended(sizes, billions: float, tmp_path: Path) -> None:
    setup = make_setup(write(tmp_path, sizes), {"side": 224, "new_tokens": 8}, dtype=torch.bfloat16)
    found = estimate(setup)
    model = skeleton(setup.family, setup.path)
    exact = sum(p.numel() for p in model.parameters())
    assert exact == pytest.approx(billions * 1e9, rel=0.01)
    backward = found.phases["backward"]
    assert backward["weights"] == pytest.approx(2 * exact, rel=1e-3)
    packed = estimate(replace(setup, tuning=Lora(quantization="nf4"))).phases["backward"]
    layers = sum(p.numel() for n, p in model.named_parameters() if ".layers." in n and p.ndim == 2)
    saved = layers * (2 - 0.5 - 1 / 64 - 4 / 64 / 256)
    assert packed["weights"] == pytest.approx(2 * exact - saved, rel=1e-3)


def test_by_hand(small: str) -> None:
    """Adapters, their state, cache and generated tokens of one prompt."""
    setup = make_setup(small, {"new_tokens": 40})
    found = estimate(setup)
    per_layer = 16 * (2 * (128 + 128) + 2 * (128 + 64) + 2 * (128 + 512) + (512 + 128))
    adapters = 4 * 4 * per_layer  # bytes a weight, layers
    backward = found.phases["backward"]
    assert backward["adapters"] == adapters
    assert backward["optimizer"] == pytest.approx(2 * adapters, rel=0.01)
    assert found.phases["decoding"]["gradients"] == adapters  # those of the step before
    second_look = found.tokens["second look"] // 8
    length = found.tokens["prompt"] - 1 + 40 + second_look + 41
    places = -(-length // 64) * 64
    cache = 8 * places * 2 * 4 * (2 * 32) * 4  # rows, places, K and V, layers, width, bytes
    assert found.phases["decoding"]["KV cache"] == cache
    assert found.tokens["generated"] == 8 * 2 * 40


def test_fewer_ask_fewer_are_shown_the_full_image(small: str) -> None:
    setup = make_setup(small, {"side": 224, "new_tokens": 20})
    half = replace(setup, demand=replace(setup.demand, ask_rate=0.5))
    none = replace(setup, demand=replace(setup.demand, ask_rate=0.0))
    peaks = [estimate(each) for each in (setup, half, none)]
    assert peaks[0].peak > peaks[1].peak > peaks[2].peak
    assert [each.tokens["generated"] for each in peaks] == [320, 240, 160]
    assert "second look" not in peaks[2].phases


def test_the_update_needs_no_less_with_fewer_rows_than_a_micro_batch_has(small: str) -> None:
    setup = make_setup(small, {"side": 112, "group": 2, "micro": 8, "rows": 8}, prompts=4)
    many, few = estimate(setup), estimate(replace(setup, rows=2))
    assert few.phases["decoding"].total() < many.phases["decoding"].total()
    assert few.phases["backward"].total() == pytest.approx(
        many.phases["backward"].total(), rel=1e-3
    )
    assert few.flops["backward"] == pytest.approx(many.flops["backward"], rel=1e-3)


def test_flops_of_a_forward_pass_are_two_a_weight_and_token(tmp_path: Path) -> None:
    """To what attention adds: little, with short sequences in wide layers."""
    wide = replace(SMALL, text=(512, 2048, 4, 4, 2, 128, 4096))
    setup = make_setup(write(tmp_path, wide), {"side": 112, "new_tokens": 40, "turns": 1})
    found = estimate(setup)
    model = skeleton(setup.family, setup.path)
    layers = sum(p.numel() for n, p in model.named_parameters() if ".layers." in n)
    prompt = found.tokens["prompt"]
    expected = 2 * layers * (prompt + 8 * 40) + 2 * 512 * 4096 * 8 * 40
    assert expected < found.flops["forward"] < 1.25 * expected


def test_by_hand_with_a_family_that_is_not_qwen_s(tmp_path: Path) -> None:
    """An image of 504 x 504: 16 x 16 visual tokens in half and 32 x 32 in full, of 64 numbers in
    fp32 each; a token more behind each row."""
    folder = make_checkpoint("pixtral_llava", tmp_path)
    base = VisionThinkModule(str(folder), family=own_class(folder))
    rollout = RolloutCallback(max_new_tokens=16, limits=PixelLimits(max_pixels=504**2))
    setup = Setup.of(base, rollout, 1, "32-true", Demand(), gpu=False)
    found = estimate(setup)
    assert found.prompt_tokens["visual"] == 16 * 16
    assert found.phases["prompts"]["features"] == 16 * 16 * 64 * 4
    assert found.phases["second look"]["features"] == (16 * 16 + 32 * 32) * 64 * 4
    (opening, *_) = openings_of(setup)
    text = setup.conversation.response(opening, ToolResult()).ids
    assert found.tokens["second look"] == 8 * (len(text) + 32 * 32 + 32)


def test_each_turn_may_look_and_zooms_share_no_features(small: str) -> None:
    """By hand: 504 x 504 pixels are 18 x 18 visual tokens of 128 numbers in fp32, half of it 9 x 9;
    eight rows zoom three times, each into a part of its own."""
    setup = make_setup(small, {"turns": 4})
    found = estimate(setup)
    assert found.phases["forward"]["features"] == (81 + 8 * 3 * 324) * 128 * 4
    once = estimate(replace(setup, demand=replace(setup.demand, looks=1)))
    assert once.phases["forward"]["features"] == (81 + 8 * 324) * 128 * 4
    assert found.tokens["second look"] - once.tokens["second look"] > 8 * 2 * 324
    assert found.peak > once.peak


@pytest.mark.parametrize("most", [81, 100, 81 + 324, 700])
def test_no_more_is_shown_than_the_budget_leaves(small: str, most: int) -> None:
    setup = make_setup(small, {"turns": 4, "visual_tokens": most})
    shown = estimate(setup).phases["forward"]["features"] // (128 * 4)
    each = (shown - 81) // 8  # beside the prompt's
    assert each <= most - 81 and each > 0.8 * (most - 81) - 4
