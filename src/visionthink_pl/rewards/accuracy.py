"""Accuracy by rules: the checks that need no judge (R_accuracy of the paper's Eq. 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, get_args

from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.rewards.rules.anls import similarity
from visionthink_pl.rewards.rules.chartqa import relaxed_match
from visionthink_pl.rewards.rules.choice import same_choice
from visionthink_pl.rewards.rules.lists import same_list
from visionthink_pl.rewards.rules.mathematics import same_expression
from visionthink_pl.rewards.rules.numbers import differ_in_unit, same_quantity
from visionthink_pl.rewards.rules.text import plain, same_text
from visionthink_pl.rewards.rules.times import same_time
from visionthink_pl.types import ConfigError, Group

Units = Literal["optional", "strict"]


class RuleAccuracy(Reward):
    """1 where the extracted answer matches the ground truth by rules, else 0.

    No answer, or one of nothing but white space, scores 0: nothing else that the model wrote is
    looked at.

    Args:
        weight: factor of this part in the sum.
        units: ``optional``: a unit that one side lacks says nothing, as the question mostly fixes
            it. ``strict``: the answer may lack it, but not the ground truth. Two units that differ
            never match.
    """

    name = "accuracy"

    def __init__(self, weight: float = 1.0, units: Units = "optional") -> None:
        super().__init__(weight)
        self._units = checked(units, type(self).__name__)

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return _grade(group, partial(matches, units=self._units))


class RelaxedAccuracy(Reward):
    """ChartQA's relaxed accuracy, for evaluation: 1 where a number is within 5%, else 0.

    To train, take ``RuleAccuracy``: a policy paid for 5% off learns to be 5% off.
    """

    name = "accuracy"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return _grade(group, relaxed_match)


class ANLS(Reward):
    """Normalised Levenshtein similarity between 0 and 1, for evaluation; its mean is ANLS.

    To train, take ``RuleAccuracy``: it is 0 or 1, and the resize penalty counts as correct
    only a value of exactly 1, so that an answer one letter off would earn most of the reward and
    count as wrong.
    """

    name = "accuracy"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return _grade(group, similarity)


def checked(units: Units, name: str) -> Units:
    """``units`` as it is.

    Args:
        units: see ``RuleAccuracy``.
        name: of the class that it is an argument of, for the error.

    Raises:
        ConfigError: there is no such way.
    """
    if units not in get_args(Units):
        raise ConfigError(f"{name}.units: 'optional' or 'strict', not {units!r}")
    return units


def matches(answer: str, truth: str, units: Units = "optional") -> bool:
    """Whether an answer is right, by the first rule that says so; a blank one never is.

    Args:
        units: see ``RuleAccuracy``.

    Raises:
        RuntimeError: the process of the mathematical rule could not be started.
    """
    answer, truth, strict = plain(answer), plain(truth), units == "strict"
    if not answer.strip() or differ_in_unit(answer, truth):
        return False
    return (  # cheapest first
        same_text(answer, truth)
        or same_quantity(answer, truth, strict)
        or same_time(answer, truth)
        or same_choice(answer, truth)
        or same_list(answer, truth, strict)
        or same_expression(answer, truth, strict)
    )


def _grade(group: Group, rule: Callable[[str, str], float]) -> Scores:
    truth = group.sample.answer
    answers = [trajectory.answer or "" for trajectory in group.trajectories]
    return [float(rule(answer, truth)) if answer.strip() else 0.0 for answer in answers]
