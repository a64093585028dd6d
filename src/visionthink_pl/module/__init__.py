"""The LightningModule: hooks around policy, frozen reference and training step."""

from visionthink_pl.module.checks import BASE_DTYPES, SUPPORTED_STRATEGIES
from visionthink_pl.module.module import VisionThinkModule

__all__ = ["BASE_DTYPES", "SUPPORTED_STRATEGIES", "VisionThinkModule"]
