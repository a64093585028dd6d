"""How trajectories are sampled."""

from __future__ import annotations

from dataclasses import dataclass

from visionthink_pl.rollout.truncation import Truncation


@dataclass(frozen=True)
class Sampling:
    """How trajectories are sampled.

    Attributes:
        max_turns: assistant turns a trajectory may have.
        max_new_tokens: tokens that one turn may have.
        rows: about how many trajectories are generated at once: whole groups, one at least.
        seed: of all randomness.
        truncation: which ids may be sampled; greedy decoding takes the most likely one anyway.
    """

    max_turns: int
    max_new_tokens: int
    rows: int
    seed: int
    truncation: Truncation = Truncation()  # noqa: RUF009 (frozen)
