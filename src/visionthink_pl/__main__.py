"""``python -m visionthink_pl``."""

import logging
import os
import sys
import warnings
from importlib import import_module

from visionthink_pl.commands.parsing.versions import lacking, out_of_range

# Said at every start, or about what is meant to be so; nothing to act on.
NOISE = ("litlogger", "TPU available", "`weights_only` was not set", "litmodels")

# Rounds for which a thread of GNU OpenMP spins before it sleeps. Beside other work a batch of the
# quickstart took 35 s with its own 300,000 and 6 s with these; alone nothing is lost
# (docs/performance.md).
SPIN = "1000"


def spare_the_cores() -> None:
    """Bound how long threads spin, unless the user has said; torch must not be loaded yet."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN)


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
    warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm's, in a notebook
    for fine in ("Using ModelCheckpoint with manual", "The dirpath has changed", "Total length of"):
        warnings.filterwarnings("ignore", message=fine)


def main() -> int:
    """Run the command line: say what can be said at once, then load what the verb needs, late, so
    that it starts quietly."""
    spare_the_cores()
    if (said := out_of_range()) is not None:  # before anything is loaded that may fail for it
        print(f"warning: {said}", file=sys.stderr)
    from visionthink_pl.commands.parsing.front import answered
    from visionthink_pl.commands.verb import exit_code

    done: list[bool] = []
    code = exit_code(lambda: done.append(answered(sys.argv[1:])))
    return code if code or done[0] else run(sys.argv[1:])


def run(args: list[str]) -> int:
    """Run a verb of ours, or else one of the Trainer's."""
    quieten()
    from transformers.utils.logging import disable_progress_bar

    from visionthink_pl.commands.parsing.verbs import OTHERS

    disable_progress_bar()
    verb, *rest = args
    if (said := lacking(verb)) is not None:
        print(f"error: {said}", file=sys.stderr)
        return 2
    if verb in OTHERS:
        return int(import_module(f"visionthink_pl.commands.{verb}.{verb}").main(rest))
    from visionthink_pl.commands.trainer.cli import main as fit_and_the_like

    return fit_and_the_like()


if __name__ == "__main__":
    sys.exit(main())
