"""Sources of samples, bad rows, and loaders of prompt batches."""

from typing import TYPE_CHECKING

from visionthink_pl.data.bad_rows import BadRows, usable
from visionthink_pl.data.source import Source, Stream
from visionthink_pl.internals.late import late

if TYPE_CHECKING:
    from visionthink_pl.data.columns import Columns
    from visionthink_pl.data.datamodule import PromptDataModule
    from visionthink_pl.data.folder import ImageFolder
    from visionthink_pl.data.lookcloser import LookCloser
    from visionthink_pl.data.saved import SavedDataset
    from visionthink_pl.data.scanning import look_at
    from visionthink_pl.data.stream import VQAStream
    from visionthink_pl.data.table import VQADataset
    from visionthink_pl.data.wording import Wording

__all__ = [
    "BadRows",
    "Columns",
    "ImageFolder",
    "LookCloser",
    "PromptDataModule",
    "SavedDataset",
    "Source",
    "Stream",
    "VQADataset",
    "VQAStream",
    "Wording",
    "look_at",
    "usable",
]

# ``datasets`` takes a second to load, and those that read it are not always in use.
__getattr__ = late(
    __name__,
    {
        "look_at": "scanning",
        "Columns": "columns",
        "PromptDataModule": "datamodule",
        "ImageFolder": "folder",
        "LookCloser": "lookcloser",
        "SavedDataset": "saved",
        "VQAStream": "stream",
        "VQADataset": "table",
        "Wording": "wording",
    },
)
