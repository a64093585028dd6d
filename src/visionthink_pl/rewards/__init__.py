"""What a group is scored by."""

from visionthink_pl.rewards.accuracy import RuleAccuracy
from visionthink_pl.rewards.base import Reward, score_group
from visionthink_pl.rewards.format import FormatReward
from visionthink_pl.rewards.resize_penalty import ResizePenalty

__all__ = ["FormatReward", "ResizePenalty", "Reward", "RuleAccuracy", "score_group"]
