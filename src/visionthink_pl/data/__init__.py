"""Where prompts come from."""

from visionthink_pl.data.datamodule import PromptDataModule
from visionthink_pl.data.folder import ImageFolder
from visionthink_pl.data.lookcloser import LookCloser
from visionthink_pl.data.saved import SavedDataset
from visionthink_pl.data.source import Source

__all__ = ["ImageFolder", "LookCloser", "PromptDataModule", "SavedDataset", "Source"]
