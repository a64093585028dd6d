"""Penalties on a choice that is rare in a batch, by hand."""

import pytest

from helpers import direct, high, make_group, neither_truncated
from visionthink_pl.rewards import LookPenalty, ResizePenalty, Reward
from visionthink_pl.types import Group, Trajectory

COARSE = [1.0] * 4  # all right: calls are penalised
BELOW = 0.4


def penalties(below: float) -> list[Reward]:
    return [ResizePenalty(measure="accuracy", fades_below=below), LookPenalty(fades_below=below)]


def seen(reward: Reward, groups: list[Group]) -> None:
    for group in groups:
        for trajectory in group.trajectories:
            reward.begin(group.sample, trajectory)


def looked() -> Group:
    group = make_group([high(), direct(), direct(), direct()])
    for trajectory in group.trajectories:
        trajectory.first_look_tokens = 4
    group.trajectories[0].turns[0].visual_tokens = 16
    return group


def calls(count: int) -> list[Trajectory]:
    return [looked().trajectories[0]] * count


@pytest.mark.parametrize("reward", penalties(BELOW), ids=lambda reward: reward.name)
@pytest.mark.parametrize(
    ("others", "price"),
    [
        ([], 0.1 * 0.25 / BELOW),  # one of four calls
        ([[direct()] * 4], 0.1 * 0.125 / BELOW),  # one of eight
        ([[neither_truncated()] * 4], 0.1 * 0.125 / BELOW),  # who neither calls nor answers counts
        ([calls(4)], 0.1),  # five of eight
    ],
)
def test_a_rare_call_pays_less(reward: Reward, others: list, price: float) -> None:
    group = looked()
    seen(reward, [group, *map(make_group, others)])
    assert reward.score(group, {"accuracy": COARSE}) == pytest.approx([-price, 0, 0, 0])
    reward.finish()


@pytest.mark.parametrize("reward", penalties(BELOW), ids=lambda reward: reward.name)
def test_a_rare_direct_answer_pays_less_too(reward: Reward) -> None:
    """Where the full image is needed, direct answers are penalised: one of eight here."""
    group = looked()
    seen(reward, [group, make_group(calls(12))])  # three of sixteen are direct
    found = reward.score(group, {"accuracy": [1.0, 0.0, 0.0, 0.0]})
    assert found == pytest.approx([0, *[-0.1 * 3 / 16 / BELOW] * 3])
    reward.finish()


@pytest.mark.parametrize("reward", penalties(BELOW), ids=lambda reward: reward.name)
def test_a_batch_is_forgotten_once_it_has_been_scored(reward: Reward) -> None:
    group = looked()
    seen(reward, [group])
    reward.finish()
    assert reward.score(group, {"accuracy": COARSE})[0] == pytest.approx(-0.1)


@pytest.mark.parametrize("reward", penalties(0.0), ids=lambda reward: reward.name)
def test_by_default_rare_choices_pay_in_full(reward: Reward) -> None:
    group = looked()
    seen(reward, [group, make_group([direct()] * 96)])
    assert reward.score(group, {"accuracy": COARSE})[0] == pytest.approx(-0.1)
    reward.finish()
