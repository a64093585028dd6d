"""Accuracy by a language model that reads question, ground truth and answer, and no image."""

from visionthink_pl.rewards.judge.accuracy import HybridAccuracy, JudgeAccuracy
from visionthink_pl.rewards.judge.api import APIJudge
from visionthink_pl.rewards.judge.base import Case, Judge, JudgeFailure
from visionthink_pl.rewards.judge.local import LocalJudge

__all__ = [
    "APIJudge",
    "Case",
    "HybridAccuracy",
    "Judge",
    "JudgeAccuracy",
    "JudgeFailure",
    "LocalJudge",
]
