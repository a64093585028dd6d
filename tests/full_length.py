"""Whether long tests are run at their full length: ``make test-long FULL=1``."""

import os

import pytest

FULL = bool(os.environ.get("FULL"))
only_in_full = pytest.mark.skipif(not FULL, reason="make test-long FULL=1 runs it")
