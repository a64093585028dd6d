"""What is logged, by hand: over all that was sampled, by kind, and over what is trained on."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from PIL import Image

from helpers import CALL, make_group, make_sample, make_trajectory, make_turn, rollout_batch
from visionthink_pl.training.evidence import looks_at
from visionthink_pl.training.filters import filter_group
from visionthink_pl.training.metrics import (
    OF_TRAJECTORIES,
    Tally,
    evaluation_names,
    tally_evaluation,
    tally_rollouts,
    train_names,
)
from visionthink_pl.types import (
    Box,
    Group,
    Kept,
    Region,
    StopReason,
    ToolCall,
    Trajectory,
    Turn,
    View,
)

KINDS = ("colour", "print", "needs_second_look", "absent")


def seen(high: bool, visual_tokens: int = 0, turns: Sequence[Turn] = ()) -> Trajectory:
    return replace(make_trajectory("7", turns, high=high), first_look_tokens=visual_tokens)


def scored_group(
    kind: str,
    trajectories: list[Trajectory],
    accuracy: list[float | None],
    rewards: list[float | None],
    extra_kinds: tuple[str, ...] = (),
    full_look_tokens: int = 16,
) -> Group:
    sample = replace(make_sample(), kind=kind, extra_kinds=extra_kinds)
    parts = {"accuracy": accuracy}
    return Group(sample, trajectories, full_look_tokens, parts, rewards)


def all_right() -> Group:
    """Two direct answers, both right: no signal."""
    return scored_group("colour", [seen(False), seen(False)], [1.0, 1.0], [1.5, 1.5])


def mixed() -> Group:
    """High and right, direct and wrong, high and never scored: signal from the first two."""
    trajectories = [seen(True), seen(False), seen(True)]
    extra = ("needs_second_look",)
    return scored_group("print", trajectories, [1.0, 0.0, None], [1.4, 0.5, None], extra)


def counted(groups: list[Group], kept: list[Group], parts=("accuracy",), kinds=KINDS):
    tally = Tally(train_names(kinds, parts))
    tally_rollouts(tally, replace(rollout_batch(groups), kept=Kept(kept)))
    return tally.means()


# name, its value over all_right() and mixed(), how it comes about.
BEFORE_AND_AFTER_FILTERING = [
    ("train/accuracy", 3 / 4, "1 1 | 1 0: the unscored one is left out"),
    ("train/resize_rate", 2 / 5, "0 0 | 1 0 1: the unscored one looked, too"),
    ("train/reward", (1.5 + 1.5 + 1.4 + 0.5) / 4, "the unscored one is no zero"),
    ("train/reward/accuracy", 3 / 4, "the part, unweighted"),
    ("train/unscored", 1 / 5, "one of five trajectories"),
    ("train/groups_with_signal", 1 / 2, "one of two groups"),
    ("kept/accuracy", 1 / 2, "1 0: what the loss sees"),
    ("kept/resize_rate", 1 / 2, "1 0: the unscored one has left"),
    ("train/accuracy/colour", 1.0, "1 1"),
    ("train/accuracy/print", 1 / 2, "1 0"),
    ("train/accuracy/needs_second_look", 1 / 2, "an extra kind of the same sample"),
    ("train/resize_rate/colour", 0.0, "0 0: counted, and zero"),
    ("train/resize_rate/print", 2 / 3, "1 0 1"),
    ("train/resize_rate/needs_second_look", 2 / 3, "1 0 1"),
]


@pytest.mark.parametrize(("name", "value", "why"), BEFORE_AND_AFTER_FILTERING)
def test_before_and_after_filtering(name: str, value: float, why: str) -> None:
    kept = mixed()
    assert counted([all_right(), kept], [filter_group(kept, [])])[name] == pytest.approx(value), why


def test_an_absent_kind_is_not_logged() -> None:
    kept = mixed()
    names = set(counted([all_right(), kept], [kept]))
    assert {name for name in names if name.endswith("/absent")} == set()
    assert set(train_names(KINDS, ("accuracy",))) - names == {
        "train/accuracy/absent",
        "train/resize_rate/absent",
        "train/evidence",  # none of these samples says where it lies
    }


def test_nothing_kept_is_not_logged() -> None:
    names = counted([all_right()], [])
    assert [name for name in names if name.startswith("kept/")] == []
    assert names["train/groups_with_signal"] == 0


def test_what_is_kept_may_come_from_another_draw() -> None:
    names = counted([all_right()], [filter_group(mixed(), [])])
    assert names["train/groups_with_signal"] == 0
    assert (names["kept/accuracy"], names["kept/resize_rate"]) == (1 / 2, 1 / 2)


# rewards and accuracies of a group; with signal, of all correct, too small
SIGNALS = [
    ([1.5, 1.4], [1.0, 1.0], (1, 1, 0), "correct, and told apart by the penalty alone"),
    ([1.5, 0.5], [1.0, 0.0], (1, 0, 0), "told apart by correctness"),
    ([1.5, 1.5], [1.0, 1.0], (0, 0, 0), "correct, and nothing to tell apart"),
    ([1.5, None], [1.0, None], (0, 0, 1), "one is left"),
    ([1.5, 1.4, None], [1.0, 1.0, None], (1, 1, 0), "who has no reward has left"),
    ([1.5, 1.4, None], [1.0, 1.0, 0.0], (1, 1, 0), "another part could not be computed"),
]


@pytest.mark.parametrize(("rewards", "accuracy", "expected", "why"), SIGNALS)
def test_what_a_group_teaches_by(rewards, accuracy, expected, why) -> None:
    group = make_group([seen(high=False) for _ in rewards])
    group.rewards, group.parts = rewards, {"accuracy": accuracy}
    names = counted([group], [], kinds=(group.sample.kind,))
    found = ("groups_with_signal", "all_correct_with_signal", "dropped_groups")
    assert tuple(names[f"train/{name}"] for name in found) == expected, why


def test_what_was_filtered_is_a_share_of_all() -> None:
    rollouts = rollout_batch([mixed(), all_right()])  # three, of which one has no reward, and two
    rollouts.filtered[0] = rollouts.filtered[0].only([True, False])
    tally = Tally(train_names(KINDS, ("accuracy",)))
    tally_rollouts(tally, rollouts)
    assert tally.means()["train/filtered"] == 1 / 5
    assert tally.means()["train/dropped_groups"] == 1 / 2


def test_a_part_that_could_not_be_computed_is_left_out() -> None:
    group = mixed()
    group.parts["format"] = [0.5, 0.0, 0.5]
    group.parts["judge"] = [None, None, None]
    means = counted([group], [group], ("accuracy", "format", "judge"))
    assert means["train/reward/format"] == pytest.approx(1 / 3)  # of all three
    assert means["train/reward/accuracy"] == 1 / 2  # of the two that have it
    assert "train/reward/judge" not in means


def test_lengths_and_shares_of_trajectories() -> None:
    spoke = Turn(generated_ids=[1, 2, 3], logprobs=[0.0] * 3, text="")
    spoke_again = Turn(generated_ids=[4], logprobs=[0.0], text="")
    failed = make_turn("<tool_call>", call_error="not JSON")
    broke = replace(make_turn("", CALL, "The tool failed."), tool_failure="ValueError")
    trajectories = [
        seen(True, 20, [spoke, spoke_again]),  # 4 tokens
        seen(False, 4, [spoke]),  # 3 tokens
        seen(False, 4, [failed, failed]),  # no tokens, and two invalid calls count once
        replace(seen(False, 4, [broke, broke]), stop=StopReason.OUT_OF_TURNS),
    ]
    group = scored_group("colour", trajectories, [0.0] * 4, [0.0] * 4)
    means = counted([group], [])
    assert means["train/response_tokens"] == 7 / 4
    assert means["train/visual_tokens"] == 32 / 4
    assert means["train/invalid_calls"] == 2 / 4
    assert means["train/tool_failures"] == 1 / 4
    assert means["train/truncated"] == 1 / 4


@pytest.mark.parametrize("stage", ["val", "test"])
def test_visual_token_ratio_is_a_ratio_of_sums(stage: str) -> None:
    groups = [
        scored_group("colour", [seen(False, 4)], [1.0], [1.5], full_look_tokens=16),
        scored_group("print", [seen(True, 80)], [0.0], [0.5], ("needs_second_look",), 64),
        scored_group(
            "print", [seen(False, 25, [Turn([1] * 6, [0.0] * 6, "")])], [None], [None], (), 100
        ),
    ]
    tally = Tally(evaluation_names(stage, KINDS, ("accuracy",)))
    tally_evaluation(tally, stage, groups)
    assert tally.means() == pytest.approx(
        {
            f"{stage}/unscored": 1 / 3,
            f"{stage}/reward": (1.5 + 0.5) / 2,
            f"{stage}/reward/accuracy": 1 / 2,
            f"{stage}/invalid_calls": 0.0,
            f"{stage}/tool_failures": 0.0,
            f"{stage}/truncated": 0.0,
            f"{stage}/response_tokens": 6 / 3,
            f"{stage}/visual_tokens": (4 + 80 + 25) / 3,
            f"{stage}/looks": 1 / 3,
            f"{stage}/accuracy": 1 / 2,
            f"{stage}/accuracy/colour": 1.0,
            f"{stage}/accuracy/print": 0.0,
            f"{stage}/accuracy/needs_second_look": 0.0,
            f"{stage}/resize_rate": 1 / 3,
            f"{stage}/resize_rate/colour": 0.0,
            f"{stage}/resize_rate/print": 1 / 2,
            f"{stage}/resize_rate/needs_second_look": 1.0,
            # 109 / 180 = 0.61; the mean of the three ratios would be 0.58
            f"{stage}/visual_token_ratio": (4 + 80 + 25) / (16 + 64 + 100),
            f"{stage}/visual_token_ratio/colour": 4 / 16,
            f"{stage}/visual_token_ratio/print": (80 + 25) / (64 + 100),
            f"{stage}/visual_token_ratio/needs_second_look": 80 / 64,
        }
    )


def test_without_an_accuracy_reward_the_rest_is_counted() -> None:
    group = scored_group("colour", [seen(True, 4)], [1.0], [0.5])
    group.parts = {"format": [0.5]}
    tally = Tally(evaluation_names("val", ("colour",), ("format",)))
    tally_evaluation(tally, "val", [group])
    assert set(tally.means()) == {
        "val/unscored",
        "val/reward",
        "val/reward/format",
        *(f"val/{name}" for name in OF_TRAJECTORIES if name != "evidence"),
        "val/resize_rate",
        "val/resize_rate/colour",
        "val/visual_token_ratio",
        "val/visual_token_ratio/colour",
    }


def test_a_name_that_is_not_on_the_list_is_refused() -> None:
    with pytest.raises(KeyError, match="b"):
        Tally(["a"]).add("b", 1.0)


def test_a_kind_that_is_not_on_the_list_is_refused() -> None:
    with pytest.raises(KeyError, match="unheard"):
        counted([scored_group("unheard", [seen(False)], [1.0], [1.5])], [])


BOX = Box(10, 10, 20, 20)


def looking(*views: list[View]) -> Trajectory:
    """A trajectory whose turns show these."""
    turns = [replace(make_turn("", CALL), shown=shown) for shown in views]
    return make_trajectory("7", [*turns, make_turn("")])


def view(source: int = 0, box: Box | None = None) -> View:
    return View(Image.new("RGB", (9, 9)), source=source, box=box)


# What looks show, and how many of them cover half of the box (10, 10) to (20, 20) of image 0.
LOOKED = [
    ([[view()]], 1),
    ([[view(1)]], 0),
    ([[view(box=Box(0, 0, 20, 15))]], 1),  # exactly half
    ([[view(box=Box(0, 0, 20, 14))]], 0),
    ([[view(box=Box(20, 0, 40, 40))]], 0),  # touches it
    ([[view(1), view(box=BOX)], [view(1)]], 1),  # one of the two views of the first look
    ([[view()], [view(box=Box(12, 12, 18, 18))], [view(box=Box(9, 9, 21, 21))]], 2),
]


@pytest.mark.parametrize(("looks", "hits"), LOOKED)
def test_looks_that_cover_the_evidence(looks: list[list[View]], hits: int) -> None:
    trajectory = looking(*looks)
    assert looks_at(trajectory, [Region(0, BOX)]) == hits
    assert looks_at(trajectory, [Region(2, BOX)]) == 0
    group = scored_group("colour", [trajectory, looking()], [0.0] * 2, [0.0] * 2)
    without = scored_group("colour", [looking([view()])], [0.0], [0.0])
    group.sample = replace(group.sample, evidence=(Region(0, BOX),))
    means = counted([group, without], [])
    assert means["train/evidence"] == hits / len(looks)
    assert means["train/looks"] == (len(looks) + 1) / 3


def test_calls_by_tool() -> None:
    broke = replace(make_turn("", CALL, "The tool failed."), tool_failure="ValueError")
    other = make_turn("", ToolCall("zoom", {}))
    groups = [
        scored_group("colour", [make_trajectory("7", turns)], [0.0], [0.0])
        for turns in (
            [broke, broke],
            [other, make_turn("")],
            [make_turn("")],
            [make_turn("", CALL)],
        )
    ]
    tally = Tally(evaluation_names("val", KINDS, ("accuracy",), ("resize_image", "zoom")))
    tally_evaluation(tally, "val", groups, ("resize_image", "zoom"))
    means = tally.means()
    assert means["val/calls/resize_image"] == 2 / 4 and means["val/calls/zoom"] == 1 / 4
    assert means["val/failed_calls/resize_image"] == 1 / 4
    assert means["val/failed_calls/zoom"] == 0
