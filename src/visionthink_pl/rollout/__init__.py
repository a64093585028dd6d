"""Rollouts: turns and tool calls (engine), tokens (decoder)."""

from visionthink_pl.rollout.engine import RolloutEngine, Sampling

__all__ = ["RolloutEngine", "Sampling"]
