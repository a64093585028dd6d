"""Accuracy by rules, without a judge (R_accuracy of the paper's Eq. 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from visionthink_pl.rewards.rules.text import LONGEST, plain, same_text
from visionthink_pl.rewards.rules.times import same_time
from visionthink_pl.types import ConfigError, Group
from visionthink_pl.types.limits import FiniteFloat, limited

Units = Literal["optional", "strict"]
CACHED = 4096  # verdicts on answers


class RuleAccuracy(Reward):
    """1 if the extracted answer matches a ground truth by rules, else 0.

    A missing or blank answer scores 0; the rest of the text is not considered. If the rules can't
    decide in time, there is no score and the trajectory leaves its group.

    Args:
        weight: factor of this part in the sum.
        units: ``optional``: a unit may be missing on one side, as the question mostly implies it.
            ``strict``: it may be missing in the answer, but not in the ground truth. Two different
            units never match.
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
    """ChartQA's relaxed accuracy, for evaluation: 1 if a number is within 5%, else 0.

    For training use ``RuleAccuracy``: a policy that is rewarded for errors of 5% learns to make
    them.
    """

    name = "accuracy"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return _grade(group, relaxed_match)


class ANLS(Reward):
    """Normalised Levenshtein similarity between 0 and 1, for evaluation; its mean is ANLS. With
    several ground truths, the most similar one counts.

    For training use ``RuleAccuracy``, which is 0 or 1. The resize penalty counts only a value of
    exactly 1 as correct, so an answer with one wrong letter would get most of the reward and yet
    count as wrong.
    """

    name = "accuracy"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return _grade(group, similarity)


def checked(units: Units, name: str) -> Units:
    """Check ``units``.

    Args:
        units: see ``RuleAccuracy``.
        name: of the class with this argument, for the error.

    Raises:
        ConfigError: ``units`` has no such value.
    """
    if units not in get_args(Units):
        raise ConfigError(f"{name}.units: 'optional' or 'strict', not {units!r}")
    return units


@lru_cache(CACHED)
def matches_any(answer: str, truths: tuple[str, ...], units: Units = "optional") -> bool | None:
    """Whether an answer matches one of several truths; results are cached.

    Args:
        units: see ``RuleAccuracy``.

    Returns:
        ``None`` if this could not be decided for one truth, and the answer matches no other.

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
    """Whether an answer matches a truth by any of the rules. A blank answer never does.

    Where one of them has more than 2,000 characters, they must be the same apart from white space.

    Args:
        units: see ``RuleAccuracy``.

    Returns:
        ``None`` if this could not be decided, since the mathematical rule took too long.

    Raises:
        RuntimeError: the process of the mathematical rule could not be started.
    """
    if max(len(answer), len(truth)) > LONGEST:
        return bool(answer.strip()) and answer.split() == truth.split()
    answer, truth, strict = plain(answer), plain(truth), units == "strict"
    if not answer.strip() or differ_in_unit(answer, truth):
        return False
    try:
        return (  # the fastest rules first
            same_text(answer, truth)
            or same_quantity(answer, truth, strict)
            or same_time(answer, truth)
            or same_choice(answer, truth)
            or same_list(answer, truth, strict)
            or same_expression(answer, truth, strict)
        )
    except Undecided:
        return None


def best(rule: Callable[[str, str], float], answer: str, truths: Sequence[str]) -> float:
    """The highest value of a rule under any truth; 0 for a blank answer."""
    return max(float(rule(answer, truth)) for truth in truths) if answer.strip() else 0.0


def _grade(group: Group, rule: Callable[[str, str], float]) -> Scores:
    truths = group.sample.answers
    return [best(rule, trajectory.answer or "", truths) for trajectory in group.trajectories]
