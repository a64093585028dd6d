"""Callbacks: rollouts, their log, checkpoints, what the terminal shows."""

from visionthink_pl.callbacks.adapter_checkpoint import AdapterCheckpoint
from visionthink_pl.callbacks.alarms import Alarms
from visionthink_pl.callbacks.comparison import ComparisonTable
from visionthink_pl.callbacks.continued_csv import ContinuedCSVLogger
from visionthink_pl.callbacks.progress import PhaseProgressBar
from visionthink_pl.callbacks.rollout import RolloutCallback
from visionthink_pl.callbacks.rollout_log import RolloutLog
from visionthink_pl.callbacks.trajectory_log import TrajectoryLog

__all__ = [
    "AdapterCheckpoint",
    "Alarms",
    "ComparisonTable",
    "ContinuedCSVLogger",
    "PhaseProgressBar",
    "RolloutCallback",
    "RolloutLog",
    "TrajectoryLog",
]
