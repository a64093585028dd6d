"""Accuracy by rules: the checks that need no judge (R_accuracy of the paper's Eq. 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.rewards.rules.anls import similarity
from visionthink_pl.rewards.rules.chartqa import relaxed_match
from visionthink_pl.rewards.rules.choice import same_choice
from visionthink_pl.rewards.rules.lists import same_list
from visionthink_pl.rewards.rules.math_process import Undecided
from visionthink_pl.rewards.rules.mathematics import same_expression
from visionthink_pl.rewards.rules.numbers import same_quantity
from visionthink_pl.rewards.rules.text import same_text, unwrap
from visionthink_pl.types import Group

RULES = (same_text, same_quantity, same_choice, same_list, same_expression)  # cheapest first
KEPT = 4096  # answers of which it is remembered whether they are right


class RuleAccuracy(Reward):
    """1 where the extracted answer matches a ground truth by rules, else 0.

    No answer, or one of nothing but white space, scores 0: nothing else that the model wrote is
    looked at. Where the rules could not decide in time there is no score: the trajectory leaves its
    group.
    """

    name = "accuracy"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        truths = group.sample.answers
        found = [matches_any(trajectory.answer or "", truths) for trajectory in group.trajectories]
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


@lru_cache(KEPT)
def matches_any(answer: str, truths: tuple[str, ...]) -> bool | None:
    """Whether an answer is right under one of several truths; what has been asked is remembered.

    Returns:
        ``None`` where that could not be decided of one truth, and it is right under no other.

    Raises:
        RuntimeError: the process of the mathematical rule could not be started.
    """
    undecided = False
    for truth in truths:
        right = matches(answer, truth)
        if right:
            return True
        undecided |= right is None
    return None if undecided else False


def matches(answer: str, truth: str) -> bool | None:
    """Whether an answer is right, by the first rule that says so; a blank one never is.

    Returns:
        ``None`` where that could not be decided: mathematics took too long.

    Raises:
        RuntimeError: the process of the mathematical rule could not be started.
    """
    answer, truth = unwrap(answer), unwrap(truth)
    try:
        return bool(answer.strip()) and any(rule(answer, truth) for rule in RULES)
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
