"""Accuracy by rules: the checks that need no judge (R_accuracy of the paper's Eq. 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.types import Group

FINAL = " .,;:!?"  # dropped from the end of an answer
# A leading article only: within a phrase the "a" of "vitamin A" would go with the others.
ARTICLE = re.compile(r"^(a|an|the) ")
NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d+)?", re.ASCII)
CHOICE = re.compile(r"\(?([a-z])[).:]*", re.IGNORECASE)  # B, (B), B), B. or B:
CHOICE_AND_TEXT = re.compile(r"\(?([a-z])[).:]+\s.*", re.IGNORECASE | re.DOTALL)


class RuleAccuracy(Reward):
    """1 where the extracted answer matches the ground truth by rules, else 0.

    No answer scores 0: nothing else that the model wrote is looked at.
    """

    name = "accuracy"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        truth = group.sample.answer
        answers = [trajectory.answer for trajectory in group.trajectories]
        return [float(answer is not None and matches(answer, truth)) for answer in answers]


def matches(answer: str, truth: str) -> bool:
    """Whether an answer is right, by the first rule that says so.

    The same words (case, spaces, a leading article and final punctuation aside); the same
    number; or, where the truth is a choice letter and nothing else, the same letter.
    """
    return (
        normalise(answer) == normalise(truth)
        or _same_number(answer, truth)
        or _same_choice(answer, truth)
    )


def normalise(text: str) -> str:
    """Lower case, single spaces, no leading article, no final punctuation.

    A text that would have nothing left, such as ``?``, keeps what it has: else any two would match.
    """
    words = " ".join(text.casefold().split())
    bare = words.rstrip(FINAL)
    return ARTICLE.sub("", bare) if bare else words


def _same_number(answer: str, truth: str) -> bool:
    number = _number(answer)
    return number is not None and number == _number(truth)


def _number(text: str) -> Decimal | None:
    """The value of a text that is a number and nothing else; commas group thousands."""
    bare = text.strip().rstrip(FINAL)
    if not NUMBER.fullmatch(bare) or not bare[-1:].isdigit():
        return None
    return Decimal(bare.replace(",", ""))


def _same_choice(answer: str, truth: str) -> bool:
    right = CHOICE.fullmatch(truth.strip())
    chosen = CHOICE.fullmatch(answer.strip()) or CHOICE_AND_TEXT.fullmatch(answer.strip())
    return right is not None and chosen is not None and right[1].lower() == chosen[1].lower()
