"""The LightningModule: policy and frozen reference, trained on the rollouts that it is handed."""

from visionthink_pl.module.checks import BASE_DTYPES, SUPPORTED_STRATEGIES
from visionthink_pl.module.module import VisionThinkModule

__all__ = ["BASE_DTYPES", "SUPPORTED_STRATEGIES", "VisionThinkModule"]
