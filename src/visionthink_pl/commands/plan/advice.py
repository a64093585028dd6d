"""Changes that would make a step fit, least costly first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from visionthink_pl.commands.plan.changes import Setting, Value, settings_of
from visionthink_pl.commands.plan.estimate import ROLLOUT, Estimate, estimate
from visionthink_pl.commands.plan.ledger import Bytes
from visionthink_pl.commands.plan.setup import Setup

MOST = 10  # estimates of one plan: beyond, values are left smaller than they might be
# Fields of ``Setup`` that rollouts, and the update, do not depend on.
UPDATE_ALONE, ROLLOUT_ALONE = {"micro_batch_size", "checkpointing"}, {"rows"}


@dataclass(frozen=True)
class Change:
    """Another value of one setting.

    Attributes:
        key: of the config.
        value: what to set it to.
        peak: bytes that a step needs then.
    """

    key: str
    value: str
    peak: int


@dataclass(frozen=True)
class Combination:
    """Other values of several settings.

    Attributes:
        settings: what to set, by key of the config.
        peak: bytes that a step needs then.
        weights: bytes of these that are weights.
        fits: whether that is little enough; if not, these are the least values that there are.
    """

    settings: Mapping[str, str]
    peak: int
    weights: int
    fits: bool


@dataclass(frozen=True)
class Advice:
    """What would make a step fit.

    Attributes:
        changes: each of which would do alone.
        together: what would do, or would not, where no change does alone.
    """

    changes: Sequence[Change] = ()
    together: Combination | None = None


def advise(setup: Setup, found: Estimate, room: float) -> Advice:
    """How a step could fit into ``room`` bytes: by one setting, or else by several.

    Args:
        setup: of the step.
        found: what it needs, which is more.
        room: bytes that it may need.
    """
    search = _Search(setup, room)
    search.learn({}, found)
    settings = settings_of(setup, alone=False)
    least = [setting.values[-1] for setting in settings]
    if not search.fits(least):
        return Advice(together=search.combination(least))
    changes = search.alone(settings_of(setup, alone=True))
    return Advice(changes) if changes else Advice(together=search.together(settings))


class _Search:
    """Takes estimates, and none whose rollouts and whose update are both known from others."""

    def __init__(self, setup: Setup, room: float) -> None:
        self._setup, self._room, self._taken = setup, room, 0
        self._known: dict[str, dict[str, Bytes]] = {}  # phases, by what they depend on

    def learn(self, fields: Mapping[str, Any], found: Estimate) -> None:
        """Keep an estimate's two halves."""
        self._taken += 1
        for rollout, key in zip((True, False), _keys(fields), strict=True):
            self._known[key] = {
                phase: most for phase, most in found.phases.items() if (phase in ROLLOUT) == rollout
            }

    def half(self, values: Sequence[Value], rollout: bool) -> dict[str, Bytes]:
        """What rollouts, or the update, need with these values; the later of two for one field
        holds."""
        fields: dict[str, Any] = {}
        for value in values:
            fields |= value.fields
        key = _keys(fields)[0 if rollout else 1]
        if key not in self._known:
            self.learn(fields, estimate(replace(self._setup, **fields)))
        return self._known[key]

    def phases(self, values: Sequence[Value]) -> dict[str, Bytes]:
        """What a step needs with these values."""
        return self.half(values, rollout=True) | self.half(values, rollout=False)

    def peak(self, values: Sequence[Value]) -> int:
        return max(most.total() for most in self.phases(values).values())

    def fits(self, values: Sequence[Value]) -> bool:
        return self.peak(values) <= self._room

    def too_large(self, values: Sequence[Value], rollout: bool) -> bool:
        half = self.half(values, rollout)
        return any(most.total() > self._room for most in half.values())

    def alone(self, settings: Sequence[Setting]) -> list[Change]:
        """The largest value that does, of each setting with one."""
        changes = []
        for setting in settings:
            others = {True, False} - set(setting.halves)
            if any(self.too_large([], rollout) for rollout in others):
                continue
            if not self.fits(setting.values[-1:]):
                continue
            value = next(value for value in setting.values if self.fits([value]))
            ((key, text),) = value.written.items()
            changes.append(Change(key, text, self.peak([value])))
        return changes

    def together(self, settings: Sequence[Setting]) -> Combination:
        """One setting after another at its least, until the step fits; then each as large as it
        can be, the most costly first."""
        taken: list[Setting] = []
        for setting in settings:
            least = [each.values[-1] for each in taken]
            if any(self.too_large(least, rollout) for rollout in setting.halves):
                taken.append(setting)
        if not self.fits([setting.values[-1] for setting in taken]):
            taken = list(settings)  # a later one made larger what an earlier one was spared for
        chosen: list[Sequence[Value]] = [setting.values[-1:] for setting in taken]
        for place in reversed(range(len(taken))):
            for wider in ([], *([value] for value in taken[place].values[:-1])):
                others = [*chosen[:place], wider, *chosen[place + 1 :]]
                if self._taken < MOST and self.fits(list(chain(*others))):
                    chosen = others
                    break
        return self.combination(list(chain(*chosen)))

    def combination(self, values: Sequence[Value]) -> Combination:
        written: dict[str, str] = {}
        for value in values:
            written |= value.written
        peak = self.peak(values)
        weights = max(most["weights"] for most in self.phases(values).values())
        return Combination(written, peak, weights, peak <= self._room)


def _keys(fields: Mapping[str, Any]) -> tuple[str, str]:
    """What rollouts depend on, and what the update depends on."""

    def text(half: str, beside: set[str]) -> str:
        return f"{half} {sorted((k, str(v)) for k, v in fields.items() if k not in beside)}"

    return text("rollout", UPDATE_ALONE), text("update", ROLLOUT_ALONE)
