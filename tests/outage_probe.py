"""A judge's clock by which hours pass in seconds, for ``integration/test_outage.py``."""

import time
from types import SimpleNamespace

from lightning import Callback

from visionthink_pl.rewards.judge import endpoint

FASTER = 400  # times: an hour takes 9 s


class HoursPass(Callback):
    """Makes the judge's clock run ahead; pauses stay short."""

    def __init__(self) -> None:
        endpoint.time = SimpleNamespace(monotonic=lambda: FASTER * time.monotonic())
        endpoint.FIRST_PAUSE_S, endpoint.LONGEST_PAUSE_S = 0.05, 0.5
