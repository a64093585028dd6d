"""Accuracy by a language model that reads question, ground truth and answer, but no image."""

from typing import TYPE_CHECKING

from visionthink_pl.internals.late import late
from visionthink_pl.rewards.judge.base import Case, Instruction, Judge, JudgeFailure

if TYPE_CHECKING:
    from visionthink_pl.rewards.judge.api import APIJudge
    from visionthink_pl.rewards.judge.judged_accuracy import HybridAccuracy, JudgeAccuracy
    from visionthink_pl.rewards.judge.local import LocalJudge

__all__ = [
    "APIJudge",
    "Case",
    "HybridAccuracy",
    "Instruction",
    "Judge",
    "JudgeAccuracy",
    "JudgeFailure",
    "LocalJudge",
]

# A judge's client takes a second to load.
__getattr__ = late(
    __name__,
    {
        "HybridAccuracy": "judged_accuracy",
        "JudgeAccuracy": "judged_accuracy",
        "APIJudge": "api",
        "LocalJudge": "local",
    },
)
