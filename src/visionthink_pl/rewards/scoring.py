"""Scoring of whole groups by the rewards of a config."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence
from typing import cast

from lightning.pytorch.utilities import rank_zero_warn

from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.rewards.turn_reward import TurnReward, TurnScores, summed
from visionthink_pl.types import ConfigError, Group, RunStopped
from visionthink_pl.types.memory import JUDGE_REMEDY, memory_for

LARGEST = 3.4e38  # in float32, in which advantages are computed


def check_rewards(rewards: Sequence[Reward]) -> None:
    """Check the names of rewards and their order.

    Raises:
        ConfigError: a reward has no name, two have the same name, or one comes before a reward that
            it needs.
    """
    for reward in rewards:
        if not reward.name:
            raise ConfigError(
                f"rollout.rewards: {type(reward).__name__} has no name; write name = '...' in the "
                "class: what it is logged under"
            )
    names = [reward.name for reward in rewards]
    if not names:
        raise ConfigError("rollout.rewards: at least one reward")
    for index, reward in enumerate(rewards):
        if reward.name in names[:index]:
            raise ConfigError(f"rollout.rewards: two rewards are named {reward.name!r}")
        for needed in reward.needs:
            if needed not in names[:index]:
                raise ConfigError(
                    f"rollout.rewards: {reward.name!r} needs a reward named {needed!r} before it"
                )


def set_up(rewards: Sequence[Reward]) -> None:
    """Load or connect to what scoring needs.

    Raises:
        ConfigError: it isn't there.
    """
    with memory_for("loading", "the rewards' own models", [JUDGE_REMEDY]):
        for reward in rewards:
            reward.setup()


def score_group(group: Group, rewards: Sequence[Reward], keep_bad: bool = False) -> None:
    """Fill ``group.parts`` and ``group.rewards``, the weighted sum (paper, Eq. 4).

    Rewards that need others are scored last, so that they know all trajectories that have left the
    group because a part could not be computed.

    Args:
        group: to score.
        rewards: whose sum is the reward.
        keep_bad: warn of a score that is not finite, and keep it as NaN: a training step skips it.

    Raises:
        RunStopped: a reward returned something else than its scores.
    """
    for reward in sorted(rewards, key=lambda reward: bool(reward.needs)):
        if isinstance(reward, TurnReward):
            turns = _checked_turns(reward, group, reward.score_turns(group, group.parts))
            group.turn_parts[reward.name], scores = turns, summed(turns)
        else:
            scores = reward.score(group, group.parts)
        group.parts[reward.name] = _checked(reward, group, scores, keep_bad)
    group.weights = {reward.name: reward.weight for reward in rewards}
    group.rewards = [
        _weighted_sum([group.parts[reward.name][i] for reward in rewards], rewards)
        for i in range(len(group.trajectories))
    ]


def score_groups(
    groups: Sequence[Group], rewards: Sequence[Reward], keep_bad: bool = False
) -> None:
    """Score all groups of a batch; see ``score_group``.

    Raises:
        RunStopped: a reward could not score enough of them, or returned something else than scores.
    """
    for group in groups:
        score_group(group, rewards, keep_bad)
    for reward in rewards:
        reward.finish()


def _checked(reward: Reward, group: Group, scores: object, keep_bad: bool) -> Scores:
    """Return a reward's scores if there is a valid one for each trajectory.

    Raises:
        RunStopped: there is not. Unlike other errors, this one ends all ranks together and writes a
            checkpoint, so that the training so far is not lost.
    """
    returned, count = f"{type(reward).__name__}.score returned", len(group.trajectories)
    if not isinstance(scores, list) or len(scores) != count:
        many = f"a list of {len(scores)}" if isinstance(scores, list) else type(scores).__name__
        raise RunStopped(
            f"{returned} {many} for {count} trajectories of sample {group.sample.id!r}; return a "
            "list of one score for each trajectory, in their order"
        )
    for number, score in enumerate(scores, start=1):
        if score is None or _is_finite(score):
            continue
        what = (
            f"{returned} {reprlib.repr(score)} for trajectory {number} of {count} of sample "
            f"{group.sample.id!r}; a score is a number that is finite in float32, or None where it "
            "could not be computed"
        )
        if not (keep_bad and isinstance(score, float)):
            raise RunStopped(what)
        rank_zero_warn(what)
    return [score if score is None or _is_finite(score) else math.nan for score in scores]


def _checked_turns(reward: TurnReward, group: Group, turns: object) -> TurnScores:
    """What a reward by turn returned, if it has a number for each turn; ``_checked`` looks at the
    sums.

    Raises:
        RunStopped: it has not.
    """
    wanted = [len(trajectory.turns) for trajectory in group.trajectories]
    found: list[object] = turns if isinstance(turns, list) else []
    fits = len(found) == len(wanted) and all(
        values is None
        or (isinstance(values, list) and len(values) == count and all(map(_is_finite, values)))
        for values, count in zip(found, wanted, strict=True)
    )
    if not fits:
        raise RunStopped(
            f"{type(reward).__name__}.score_turns returned {reprlib.repr(turns)} for trajectories "
            f"of {', '.join(map(str, wanted))} turns of sample {group.sample.id!r}; return a list "
            "with one list of finite numbers, one a turn, for each trajectory, or None"
        )
    return cast(TurnScores, found)


def _is_finite(score: object) -> bool:
    return isinstance(score, (int, float)) and abs(score) <= LARGEST  # false for nan


def _weighted_sum(values: Scores, rewards: Sequence[Reward]) -> float | None:
    total = 0.0
    for value, reward in zip(values, rewards, strict=True):
        if value is None:
            return None
        total += reward.weight * value
    return total
