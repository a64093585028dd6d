"""``python -m visionthink_pl``."""

import sys

from visionthink_pl.cli import main

if __name__ == "__main__":
    sys.exit(main())
