"""Calls that end in an error in the tool itself are named; with nothing else, the run ends."""

from __future__ import annotations

from collections.abc import Sequence

from lightning.pytorch.utilities import rank_zero_warn

from visionthink_pl.types import Group, RunStopped

MOST = 50  # in a row, of one tool on one rank


class ToolFailures:
    """Follows the calls of a run on this rank."""

    def __init__(self) -> None:
        self._in_a_row: dict[str, int] = {}  # by tool
        self._named: set[str] = set()

    def see(self, groups: Sequence[Group]) -> None:
        """Name failures that were not seen before.

        Args:
            groups: of a draw.

        Raises:
            RunStopped: a tool has failed 50 times in a row.
        """
        turns = [turn for group in groups for t in group.trajectories for turn in t.turns]
        for turn in turns:
            if turn.call is None or (turn.call_error is not None and turn.tool_failure is None):
                continue  # no call that was carried out
            name = turn.call.name
            if turn.tool_failure is None:
                self._in_a_row[name] = 0
                continue
            self._in_a_row[name] = self._in_a_row.get(name, 0) + 1
            self._name(turn.tool_failure)
            if self._in_a_row[name] == MOST:
                raise RunStopped(
                    f"the tool {name} has failed {MOST} times in a row, last with: "
                    f"{turn.tool_failure}"
                )

    def _name(self, failure: str) -> None:
        kind = failure.split(":")[0]  # the rest may differ from call to call
        if kind not in self._named:
            self._named.add(kind)
            rank_zero_warn(
                f"{failure}. The model was told that the tool failed; train/tool_failures counts "
                "such calls"
            )
