"""Image work that loader threads do ahead, while the policy trains."""

from __future__ import annotations

import weakref
from collections import deque
from dataclasses import replace
from threading import Lock

import torch

from visionthink_pl.data.batches import Ready
from visionthink_pl.families import Family
from visionthink_pl.policy.features import Prepared, prepared
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.types import VQASample

MOST = 2 * 1024**3  # bytes of pixels that may be waiting: an image of 1,280 tokens has 24 MB


class Preparation:
    """Limits the images of a sample, makes the first views, and has the family's processor work on
    what may be shown; in any thread, and with the results that it would have later.

    Args:
        conversation: which decides what is shown.
        family: whose processor it is.
        most: bytes of pixels that may be alive at once; the processor's work on further images is
            left to their own turn.
    """

    def __init__(self, conversation: Conversation, family: Family, most: int = MOST) -> None:
        self._conversation, self._family = conversation, family
        self._left, self._lock = most, Lock()
        self._freed: deque[int] = deque()  # by whichever thread, at any moment

    @torch.no_grad()  # which holds for the thread that says so
    def __call__(self, sample: VQASample) -> Ready:
        views = self._conversation.views(sample)
        pixels: list[Prepared] = []
        for image in self._conversation.may_show(views):
            if self._room():
                pixels.append(prepared(image, self._family))
                self._count(pixels[-1])
        return Ready(replace(sample, views=views), pixels)

    def _room(self) -> bool:
        with self._lock:
            while self._freed:
                self._left += self._freed.popleft()
            return self._left > 0

    def _count(self, image: Prepared) -> None:
        values = image.pixels.values
        with self._lock:
            self._left -= values.nbytes
        weakref.finalize(values, self._freed.append, values.nbytes).atexit = False
