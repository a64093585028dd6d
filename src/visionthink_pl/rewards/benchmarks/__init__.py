"""Published benchmarks: how answers to their questions are scored."""

from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark

__all__ = ["Answered", "Benchmark"]
