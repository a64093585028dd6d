"""Credit by turn: what a look was worth goes to the turn that asked for it."""

from __future__ import annotations

import torch
from torch import Tensor

from visionthink_pl.training.advantages import Advantages, group_advantages
from visionthink_pl.types import Group
from visionthink_pl.types.limits import NonNegativeFloat, limited


class TurnAdvantages(Advantages):
    """All turns of a trajectory get the advantage of its outcome; a turn also gets those of the
    rewards that are given by turn (AdaptVision's DTPO, arXiv 2512.03794).

    With the outcome ``o_i`` of trajectory i, the weighted sum of all rewards but those by turn, and
    the value ``v_it`` of such a reward of weight w in its turn t::

        A_it = norm_i(o_i) + sum over rewards by turn of w norm_i(v_it)

    where ``norm_i`` is ``group_advantages`` by the std: over the group, or over those of its
    trajectories that have a turn t.

    Args:
        std_floor: the least std that is divided by, in units of reward.
    """

    @limited()
    def __init__(self, std_floor: NonNegativeFloat = 0.0) -> None:
        self._floor = std_floor

    def __call__(self, rewards_G: Tensor, group: Group) -> Tensor:
        """Advantages of shape (G, most turns), 0 behind a trajectory's last turn."""
        counts = [len(trajectory.turns) for trajectory in group.trajectories]
        outcomes = [
            group.weights[name] * rewards_G.new_tensor(values)
            for name, values in group.parts.items()
            if name not in group.turn_parts
        ]
        outcome_G = torch.stack([torch.zeros_like(rewards_G), *outcomes]).sum(0)
        out_GT = self._normalised(outcome_G)[:, None].repeat(1, max(counts))
        for name, rows in group.turn_parts.items():
            for turn in range(max(counts)):
                having = [row for row, count in enumerate(counts) if count > turn]
                values = rewards_G.new_tensor([_at(rows, row, turn) for row in having])
                out_GT[having, turn] += group.weights[name] * self._normalised(values)
        has_GT = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
        return out_GT * has_GT

    def _normalised(self, values_G: Tensor) -> Tensor:
        """Where one trajectory alone has a turn, there is nothing to compare it with."""
        if len(values_G) < 2:
            return torch.zeros_like(values_G)
        return group_advantages(values_G, "std", self._floor)


def _at(rows: list[list[float] | None], row: int, turn: int) -> float:
    values = rows[row]
    assert values is not None, "an unscored trajectory has left its group"
    return values[turn]
