"""Accuracy by rules: the checks that need no judge (R_accuracy of the paper's Eq. 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.rewards.rules.anls import similarity
from visionthink_pl.rewards.rules.chartqa import relaxed_match
from visionthink_pl.rewards.rules.choice import same_choice
from visionthink_pl.rewards.rules.lists import same_list
from visionthink_pl.rewards.rules.mathematics import same_expression
from visionthink_pl.rewards.rules.numbers import same_quantity
from visionthink_pl.rewards.rules.text import same_text, unwrap
from visionthink_pl.types import Group

RULES = (same_text, same_quantity, same_choice, same_list, same_expression)  # cheapest first


class RuleAccuracy(Reward):
    """1 where the extracted answer matches the ground truth by rules, else 0.

    No answer, or one of nothing but white space, scores 0: nothing else that the model wrote is
    looked at.
    """

    name = "accuracy"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return _grade(group, matches)


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


def matches(answer: str, truth: str) -> bool:
    """Whether an answer is right, by the first rule that says so; a blank one never is.

    Raises:
        RuntimeError: the process of the mathematical rule could not be started.
    """
    answer, truth = unwrap(answer), unwrap(truth)
    return bool(answer.strip()) and any(rule(answer, truth) for rule in RULES)


def _grade(group: Group, rule: Callable[[str, str], float]) -> Scores:
    truth = group.sample.answer
    answers = [trajectory.answer or "" for trajectory in group.trajectories]
    return [float(rule(answer, truth)) if answer.strip() else 0.0 for answer in answers]
