"""The training step: selection of groups -> advantages -> loss -> optimizer step. No Lightning."""

from visionthink_pl.training.advantages import Advantages, GroupNormalised, Normalisation
from visionthink_pl.training.filters import DropDuplicates, DropEmpty, DropOverlong, Filter
from visionthink_pl.training.group_selection import GroupSelection
from visionthink_pl.training.optimizer import AdamW
from visionthink_pl.training.optimizer_config import OptimizerConfig
from visionthink_pl.training.ranks import gathered, own_rank
from visionthink_pl.training.remedies import Remedies
from visionthink_pl.training.turn_advantages import TurnAdvantages
from visionthink_pl.training.update import Backend, PolicyUpdate, UpdateOptions

__all__ = [
    "AdamW",
    "Advantages",
    "Backend",
    "DropDuplicates",
    "DropEmpty",
    "DropOverlong",
    "Filter",
    "GroupNormalised",
    "Normalisation",
    "OptimizerConfig",
    "PolicyUpdate",
    "Remedies",
    "GroupSelection",
    "TurnAdvantages",
    "UpdateOptions",
    "gathered",
    "own_rank",
]
