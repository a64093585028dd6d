"""Credit by turn, against plain computations by hand."""

import math
from dataclasses import replace

import pytest
import torch

from helpers import make_group, make_trajectory
from model_helpers import gradients_of, mixed_trajectories
from visionthink_pl.families import Family
from visionthink_pl.losses import GRPOLoss
from visionthink_pl.policy import Policy
from visionthink_pl.rewards import FormatReward, LookSizePenalty, TurnReward, score_group
from visionthink_pl.training import TurnAdvantages
from visionthink_pl.training.advantages import EPSILON
from visionthink_pl.training.credit import Credited, credit
from visionthink_pl.training.loss_inputs import StepTotals, loss_inputs
from visionthink_pl.types import Group, RunStopped, Turn

ROOT = math.sqrt(2)


def turns(*tokens: int) -> list[Turn]:
    return [Turn([1] * count, [0.0] * count, "") for count in tokens]


def group_by_turn() -> Group:
    """Three trajectories of 2, 1 and 2 turns: outcomes 1, 0, 0, and what their looks were worth."""
    rows = [make_trajectory("7", turns(*tokens)) for tokens in ((2, 1), (3,), (1, 2))]
    group = make_group(rows)
    group.parts = {"accuracy": [1.0, 0.0, 0.0], "tool": [0.5, 0.0, -0.5]}
    group.turn_parts = {"tool": [[0.5, 0.0], [0.0], [-0.5, 0.0]]}
    group.weights = {"accuracy": 1.0, "tool": 0.3}
    group.rewards = [1.15, 0.0, -0.15]
    return group


def test_a_look_s_worth_goes_to_its_turn_and_the_outcome_to_all() -> None:
    """Outcomes 1, 0, 0: the mean is 1/3 and the std 1 / sqrt(3), so that they are 2, -1 and -1 over
    sqrt(3). Worths 0.5, 0, -0.5 of the first turns: the std is 0.5, so that they are 1, 0, -1."""
    best, other = 2 / math.sqrt(3), -1 / math.sqrt(3)
    expected = [[best + 0.3, best], [other, 0.0], [other - 0.3, other]]
    group = group_by_turn()
    found_GT = TurnAdvantages()(torch.tensor(group.rewards, dtype=torch.float64), group)
    torch.testing.assert_close(found_GT, torch.tensor(expected).double(), atol=1e-5, rtol=0)


def test_each_token_has_the_advantage_of_its_turn() -> None:
    rows = credit([group_by_turn()], TurnAdvantages())
    best, other = 2 / math.sqrt(3), -1 / math.sqrt(3)
    expected = [[best + 0.3] * 2 + [best], [other] * 3, [other - 0.3] + [other] * 2]
    for row, values in zip(rows, expected, strict=True):
        assert row.advantages == pytest.approx(values, abs=1e-5)
        assert row.advantage == row.advantages[-1]  # what logs say of a trajectory


def test_a_turn_that_one_trajectory_alone_has_is_compared_with_none() -> None:
    group = group_by_turn()
    group.turn_parts = {"tool": [[0.5, 9.0], [0.0], [-0.5, 0.0]]}
    group.trajectories[2] = replace(group.trajectories[2], turns=turns(1))
    group.turn_parts["tool"][2] = [-0.5]
    found_GT = TurnAdvantages()(torch.zeros(3, dtype=torch.float64), group)
    assert found_GT[0, 1].item() == pytest.approx(2 / math.sqrt(3), abs=1e-5)


def test_without_rewards_by_turn_all_turns_have_the_outcome_s() -> None:
    group = group_by_turn()
    group.turn_parts, group.parts = {}, {"accuracy": [1.0, 0.0, 0.0]}
    found_GT = TurnAdvantages()(torch.zeros(3, dtype=torch.float64), group)
    plain = (1 - 1 / 3) / (1 / math.sqrt(3) + EPSILON)
    assert found_GT[0].tolist() == pytest.approx([plain, plain])


def test_trajectories_that_left_the_group_are_not_compared_with() -> None:
    group = group_by_turn()
    group.trajectories.append(make_trajectory("7", turns(1, 1)))
    group.parts["accuracy"].append(None)
    group.parts["tool"].append(None)
    group.turn_parts["tool"].append(None)
    group.rewards.append(None)
    found, expected = (credit([g], TurnAdvantages()) for g in (group, group_by_turn()))
    assert [row.advantages for row in found] == [row.advantages for row in expected]


def test_the_gradient_by_turn_is_that_of_a_plain_computation(
    policy: Policy, family: Family
) -> None:
    """Two turns and one, an advantage for each turn, the mean over turns and then trajectories:
    packed in one pass against a sum over trajectories."""
    trajectories = mixed_trajectories(family)
    values = [
        tuple(0.5 * i - turn for turn in range(len(t.turns))) for i, t in enumerate(trajectories)
    ]
    rows = [Credited(t, v[-1], by_turn=v) for t, v in zip(trajectories, values, strict=True)]
    loss = GRPOLoss(kl_coefficient=0.0, aggregation="turn")
    found, _ = loss(loss_inputs(policy, loss, rows, StepTotals.of(rows)))
    found.backward()
    ours = gradients_of(policy)
    policy.zero_grad()
    plain = torch.zeros(())
    for trajectory, by_turn in zip(trajectories, values, strict=True):
        logprobs = iter(
            policy([trajectory]).split([len(t.generated_ids) for t in trajectory.turns])
        )
        means = [
            (torch.exp(turn_K - turn_K.detach()) * value).mean()
            for turn_K, value in zip(logprobs, by_turn, strict=True)
        ]
        plain = plain - torch.stack(means).mean() / len(trajectories)
    plain.backward()
    torch.testing.assert_close(found, plain)
    for name, gradient in gradients_of(policy).items():
        torch.testing.assert_close(ours[name], gradient, atol=1e-6, rtol=1e-4)
    assert len({value for v in values for value in v}) > 3  # the turns differ


def looks(*tokens: int) -> Group:
    """One trajectory for each: it looks at so many tokens in its first turn, or answers."""
    rows = [make_trajectory("7", turns(1, 1), high=bool(count)) for count in tokens]
    for row, count in zip(rows, tokens, strict=True):
        row.turns[0].visual_tokens = count
    return make_group(rows)


def test_looks_larger_than_those_that_were_enough_pay() -> None:
    """Of the correct ones the mean is 8: 4 pays nothing, 12 half, and 20 no more than all."""
    found = LookSizePenalty().score_turns(looks(4, 12, 20, 0), {"accuracy": [1.0, 1.0, 0.0, 1.0]})
    assert found == [[0.0, 0.0], [pytest.approx(-0.1), 0.0], [pytest.approx(-0.2), 0.0], [0.0, 0.0]]
    none = LookSizePenalty().score_turns(looks(4, 12), {"accuracy": [0.0, None]})
    assert none == [[0.0, 0.0], None]


class Worth(TurnReward):
    """Returns what it is given."""

    name = "worth"

    def __init__(self, turns: object, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.turns = turns

    def score_turns(self, group, parts):
        return self.turns


def test_in_the_sum_a_trajectory_has_the_sum_of_its_turns() -> None:
    group = looks(4, 0)
    score_group(group, [FormatReward(), Worth([[1.0, 0.5], None], weight=2.0)])
    assert group.parts["worth"] == [1.5, None] and group.rewards == [3.0, None]
    assert group.turn_parts == {"worth": [[1.0, 0.5], None]}
    assert group.only([True, False]).turn_parts == {"worth": [[1.0, 0.5]]}


@pytest.mark.parametrize("turns", [None, [[1.0, 1.0]], [[1.0], [1.0]], [[1.0, math.nan], None]])
def test_what_is_no_number_a_turn_stops_the_run(turns: object) -> None:
    with pytest.raises(RunStopped, match=r"^Worth.score_turns returned .* of 2, 2 turns of sample"):
        score_group(looks(4, 0), [Worth(turns)])
