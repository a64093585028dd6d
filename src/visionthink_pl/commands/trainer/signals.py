"""The exit code of a run that a signal has ended outside of training."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from lightning.pytorch.utilities.exceptions import SIGTERMException

from visionthink_pl.callbacks.interruption import SIGNALLED


def shell_code(run: Callable[[], int]) -> int:
    """Call ``run``, which returns an exit code; where a signal has ended it, return a shell's."""
    try:
        return run()
    except SIGTERMException:
        return _signalled("SIGTERM", signal.SIGTERM)
    except KeyboardInterrupt:
        return _signalled("Ctrl-C", signal.SIGINT)
    except SystemExit as ended:  # Lightning's, with exit code 1
        if not isinstance(ended.__context__, KeyboardInterrupt):
            raise
        return _signalled("Ctrl-C", signal.SIGINT)


def _signalled(what: str, number: int) -> int:
    further = "where there is an earlier one, --ckpt_path last goes on from it"
    print(f"error: stopped by {what}; no checkpoint was written; {further}", file=sys.stderr)
    return SIGNALLED + number
