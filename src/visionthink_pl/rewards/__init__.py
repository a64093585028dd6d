"""Rewards of a group: accuracy by rules or a judge, format, resize penalty."""

from typing import TYPE_CHECKING

from visionthink_pl.internals.late import late
from visionthink_pl.rewards.accuracy import ANLS, RelaxedAccuracy, RuleAccuracy
from visionthink_pl.rewards.base import Reward
from visionthink_pl.rewards.example_group import example_group
from visionthink_pl.rewards.format import FormatReward
from visionthink_pl.rewards.look_penalty import LookPenalty
from visionthink_pl.rewards.look_size import LookSizePenalty
from visionthink_pl.rewards.overlong import OverlongPenalty
from visionthink_pl.rewards.resize_penalty import ResizePenalty
from visionthink_pl.rewards.scoring import check_rewards, score_group, score_groups
from visionthink_pl.rewards.turn_reward import TurnReward

if TYPE_CHECKING:
    from visionthink_pl.rewards.judge import APIJudge, HybridAccuracy, JudgeAccuracy, LocalJudge

__all__ = [
    "ANLS",
    "APIJudge",
    "FormatReward",
    "HybridAccuracy",
    "JudgeAccuracy",
    "LocalJudge",
    "LookPenalty",
    "LookSizePenalty",
    "OverlongPenalty",
    "RelaxedAccuracy",
    "ResizePenalty",
    "Reward",
    "RuleAccuracy",
    "TurnReward",
    "check_rewards",
    "example_group",
    "score_group",
    "score_groups",
]

# A judge's client takes a second to load.
__getattr__ = late(
    __name__,
    {
        "APIJudge": "judge",
        "HybridAccuracy": "judge",
        "JudgeAccuracy": "judge",
        "LocalJudge": "judge",
    },
)
