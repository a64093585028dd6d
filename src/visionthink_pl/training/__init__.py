"""The training step: filters -> signal -> advantages -> loss -> optimizer step. No Lightning."""

from visionthink_pl.training.filters import DropDuplicates, DropEmpty, DropOverlong, Filter

__all__ = ["DropDuplicates", "DropEmpty", "DropOverlong", "Filter"]
