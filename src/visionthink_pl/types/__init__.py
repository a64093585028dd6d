"""Samples, trajectories, groups and batches; errors; limits of numbers.

    VQASample -> Trajectory (its Turns) -> Group -> RolloutBatch

Shape legend, used as a suffix of tensor names everywhere:

    B  prompts in a batch            T  tokens of a sequence
    G  rollouts of one prompt        V  vocabulary
    N  trajectories (up to B * G)    D  width of the model
    K  generated tokens              P  image patches
"""

from visionthink_pl.types.errors import ConfigError, DiskFull, OutOfMemory, PolicyLost, RunStopped
from visionthink_pl.types.rollout_batch import Kept, PromptBatch, RolloutBatch
from visionthink_pl.types.samples import UnreadableSample, VQASample
from visionthink_pl.types.trajectories import Group, StopReason, ToolCall, Trajectory, Turn
from visionthink_pl.types.views import Box, BoxUnit, Region, View, Views, images_of

__all__ = [
    "Box",
    "BoxUnit",
    "ConfigError",
    "DiskFull",
    "Group",
    "Kept",
    "OutOfMemory",
    "PromptBatch",
    "RolloutBatch",
    "PolicyLost",
    "Region",
    "RunStopped",
    "StopReason",
    "ToolCall",
    "Trajectory",
    "Turn",
    "UnreadableSample",
    "VQASample",
    "View",
    "Views",
    "images_of",
]
