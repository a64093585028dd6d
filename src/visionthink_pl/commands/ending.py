"""How a command ends: in one line and an exit code where something was wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

from visionthink_pl.commands.parsing.error_messages import config_error, one_line
from visionthink_pl.types import OutOfMemory, RunStopped


def exit_code(run: Callable[[], None]) -> int:
    """Run; return 0, 2 after a mistake of the user's, 1 where the run can't go on. Anything else
    is a fault of ours and keeps its traceback."""
    try:
        run()
    except (RunStopped, OutOfMemory) as error:
        return _fail(error, code=1)
    except ValueError as error:
        mistake = config_error(error)
        if mistake is None:
            raise
        return _fail(mistake, code=2)
    return 0


def _fail(error: Exception, code: int) -> int:
    print(f"error: {one_line(str(error))}", file=sys.stderr)
    return code
