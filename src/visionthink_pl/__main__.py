"""``python -m visionthink_pl``."""

import logging
import sys
import warnings

# Said at every start, or about what is meant to be so; nothing to act on.
NOISE = ("litlogger", "TPU available", "`weights_only` was not set", "litmodels")


def quieten() -> None:
    """Keep what other packages say about themselves off the terminal; our warnings stay."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero"):
        logging.getLogger(name).addFilter(
            lambda record: not any(noise in record.getMessage() for noise in NOISE)
        )
    for package in ("transformers", "torchdata", "lightning"):
        for category in (FutureWarning, DeprecationWarning):
            warnings.filterwarnings("ignore", category=category, module=package)
    warnings.filterwarnings("ignore", message=".*set_vital")
    warnings.filterwarnings("ignore", message=".*does not have many workers")
    warnings.filterwarnings("ignore", message=".*LeafSpec")
    for fine in ("Using ModelCheckpoint with manual", "The dirpath has changed", "Total length of"):
        warnings.filterwarnings("ignore", message=fine)


def main() -> int:
    """Run the command line: a verb of ``commands/``, or else one of the Trainer's. The packages
    are loaded late, so that they start quietly."""
    quieten()
    from transformers.utils.logging import disable_progress_bar

    from visionthink_pl.cli import main as fit_and_the_like
    from visionthink_pl.commands import COMMANDS

    disable_progress_bar()
    verb, *args = sys.argv[1:] or [""]
    return COMMANDS[verb](args) if verb in COMMANDS else fit_and_the_like()


if __name__ == "__main__":
    sys.exit(main())
