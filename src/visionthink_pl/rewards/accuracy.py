"""Accuracy by rules: the checks that need no judge (R_accuracy of the paper's Eq. 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal, get_args

from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.rewards.rules.anls import similarity
from visionthink_pl.rewards.rules.chartqa import relaxed_match
from visionthink_pl.rewards.rules.choice import same_choice
from visionthink_pl.rewards.rules.lists import same_list
from visionthink_pl.rewards.rules.math_process import Undecided
from visionthink_pl.rewards.rules.mathematics import same_expression
from visionthink_pl.rewards.rules.numbers import differ_in_unit, same_quantity
from visionthink_pl.rewards.rules.text import plain, same_text
from visionthink_pl.rewards.rules.times import same_time
from visionthink_pl.types import ConfigError, Group
from visionthink_pl.types.limits import FiniteFloat, limited

Units = Literal["optional", "strict"]
KEPT = 4096  # answers of which it is remembered whether they are right


class RuleAccuracy(Reward):
    """1 where the extracted answer matches a ground truth by rules, else 0.

    No answer, or one of nothing but white space, scores 0: nothing else that the model wrote is
    looked at. Where the rules could not decide in time there is no score: the trajectory leaves its
    group.

    Args:
        weight: factor of this part in the sum.
        units: ``optional``: a unit that one side lacks says nothing, as the question mostly fixes
            it. ``strict``: the answer may lack it, but not the ground truth. Two units that differ
            never match.
    """

    name = "accuracy"

    @limited()
    def __init__(self, weight: FiniteFloat = 1.0, units: Units = "optional") -> None:
        super().__init__(weight)
        self._units = checked(units, type(self).__name__)

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        truths = group.sample.answers
        answers = [trajectory.answer or "" for trajectory in group.trajectories]
        found = [matches_any(answer, truths, self._units) for answer in answers]
        return [None if right is None else float(right) for right in found]


class RelaxedAccuracy(Reward):
    """ChartQA's relaxed accuracy, for evaluation: 1 where a number is within 5%, else 0.

    To train, take ``RuleAccuracy``: a policy paid for 5% off learns to be 5% off.
    """

    name = "accuracy"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return _grade(group, relaxed_match)


class ANLS(Reward):
    """Normalised Levenshtein similarity between 0 and 1, for evaluation; its mean is ANLS. Of
    several ground truths the most similar counts.

    To train, take ``RuleAccuracy``: it is 0 or 1, and the resize penalty counts as correct
    only a value of exactly 1, so that an answer one letter off would earn most of the reward and
    count as wrong.
    """

    name = "accuracy"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return _grade(group, similarity)


def checked(units: Units, name: str) -> Units:
    """Check ``units``.

    Args:
        units: see ``RuleAccuracy``.
        name: of the class that it is an argument of, for the error.

    Raises:
        ConfigError: there is no such way.
    """
    if units not in get_args(Units):
        raise ConfigError(f"{name}.units: 'optional' or 'strict', not {units!r}")
    return units


@lru_cache(KEPT)
def matches_any(answer: str, truths: tuple[str, ...], units: Units = "optional") -> bool | None:
    """Whether an answer is right under one of several truths; what has been asked is remembered.

    Args:
        units: see ``RuleAccuracy``.

    Returns:
        ``None`` where that could not be decided of one truth, and it is right under no other.

    Raises:
        RuntimeError: the process of the mathematical rule could not be started.
    """
    undecided = False
    for truth in truths:
        right = matches(answer, truth, units)
        if right:
            return True
        undecided |= right is None
    return None if undecided else False


def matches(answer: str, truth: str, units: Units = "optional") -> bool | None:
    """Whether an answer is right, by the first rule that says so; a blank one never is.

    Args:
        units: see ``RuleAccuracy``.

    Returns:
        ``None`` where that could not be decided: mathematics took too long.

    Raises:
        RuntimeError: the process of the mathematical rule could not be started.
    """
    answer, truth, strict = plain(answer), plain(truth), units == "strict"
    if not answer.strip() or differ_in_unit(answer, truth):
        return False
    try:
        return (  # cheapest first
            same_text(answer, truth)
            or same_quantity(answer, truth, strict)
            or same_time(answer, truth)
            or same_choice(answer, truth)
            or same_list(answer, truth, strict)
            or same_expression(answer, truth, strict)
        )
    except Undecided:
        return None


def _grade(group: Group, rule: Callable[[str, str], float]) -> Scores:
    """The best score under any truth; 0 for a blank answer."""
    truths = group.sample.answers
    answers = [trajectory.answer or "" for trajectory in group.trajectories]
    return [
        max(float(rule(answer, truth)) for truth in truths) if answer.strip() else 0.0
        for answer in answers
    ]
