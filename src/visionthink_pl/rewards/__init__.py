"""What a group is scored by."""

from visionthink_pl.rewards.accuracy import ANLS, RelaxedAccuracy, RuleAccuracy
from visionthink_pl.rewards.base import Reward, score_group, score_groups
from visionthink_pl.rewards.format import FormatReward
from visionthink_pl.rewards.judge import APIJudge, HybridAccuracy, JudgeAccuracy, LocalJudge
from visionthink_pl.rewards.overlong import OverlongPenalty
from visionthink_pl.rewards.resize_penalty import ResizePenalty

__all__ = [
    "ANLS",
    "APIJudge",
    "FormatReward",
    "HybridAccuracy",
    "JudgeAccuracy",
    "LocalJudge",
    "OverlongPenalty",
    "RelaxedAccuracy",
    "ResizePenalty",
    "Reward",
    "RuleAccuracy",
    "score_group",
    "score_groups",
]
