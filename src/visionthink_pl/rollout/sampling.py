"""How trajectories are sampled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """How trajectories are sampled.

    Attributes:
        max_turns: assistant turns a trajectory may have.
        max_new_tokens: tokens that one turn may have.
        rows: about how many trajectories are generated at once: whole groups, one at least.
        seed: of all randomness.
    """

    max_turns: int
    max_new_tokens: int
    rows: int
    seed: int
