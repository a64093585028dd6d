"""Finds changes of settings that make a step fit, least costly first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from visionthink_pl.commands.plan.changes import Setting, Value, settings_of
from visionthink_pl.commands.plan.estimate import ROLLOUT, Estimate, estimate
from visionthink_pl.commands.plan.ledger import Bytes
from visionthink_pl.commands.plan.setup import Setup

MOST = 10  # estimates of one plan; after them, values stay smaller than necessary
# Fields of ``Setup`` that only the update depends on, and only rollouts.
UPDATE_ALONE, ROLLOUT_ALONE = {"micro_batch_size", "checkpointing"}, {"rows"}


@dataclass(frozen=True)
class Change:
    """Another value of one setting.

    Attributes:
        key: of the config.
        value: what to set it to.
        peak: bytes that a step then needs.
    """

    key: str
    value: str
    peak: int


@dataclass(frozen=True)
class Combination:
    """Other values of several settings.

    Attributes:
        settings: what to set, by key of the config.
        peak: bytes that a step then needs.
        weights: bytes of weights among these.
        fits: whether the step then fits; if not, these are the smallest values there are.
    """

    settings: Mapping[str, str]
    peak: int
    weights: int
    fits: bool


@dataclass(frozen=True)
class Advice:
    """Changes that make a step fit.

    Attributes:
        changes: each suffices alone.
        together: several changes, where none suffices alone; see ``Combination.fits``.
    """

    changes: Sequence[Change] = ()
    together: Combination | None = None


def advise(setup: Setup, found: Estimate, room: float) -> Advice:
    """Find settings with which a step fits into ``room``: one alone, or else several.

    Args:
        setup: of the step.
        found: its estimate, above ``room``.
        room: bytes available.
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
    """Makes estimates, and reuses what is known: rollouts and update depend on different fields."""

    def __init__(self, setup: Setup, room: float) -> None:
        self._setup, self._room, self._estimates = setup, room, 0
        self._known: dict[str, dict[str, Bytes]] = {}  # phases, by the fields they depend on

    def learn(self, fields: Mapping[str, Any], found: Estimate) -> None:
        """Keep the two halves of an estimate: rollout phases, and the update's."""
        self._estimates += 1
        for rollout, key in zip((True, False), _keys(fields), strict=True):
            self._known[key] = {
                phase: most for phase, most in found.phases.items() if (phase in ROLLOUT) == rollout
            }

    def half(self, values: Sequence[Value], rollout: bool) -> dict[str, Bytes]:
        """Bytes by phase of rollouts, or of the update, with these values; of two values for one
        field the later holds."""
        fields: dict[str, Any] = {}
        for value in values:
            fields |= value.fields
        key = _keys(fields)[0 if rollout else 1]
        if key not in self._known:
            self.learn(fields, estimate(replace(self._setup, **fields)))
        return self._known[key]

    def phases(self, values: Sequence[Value]) -> dict[str, Bytes]:
        """Bytes by phase of a whole step with these values."""
        return self.half(values, rollout=True) | self.half(values, rollout=False)

    def peak(self, values: Sequence[Value]) -> int:
        return max(most.total() for most in self.phases(values).values())

    def fits(self, values: Sequence[Value]) -> bool:
        return self.peak(values) <= self._room

    def too_large(self, values: Sequence[Value], rollout: bool) -> bool:
        half = self.half(values, rollout)
        return any(most.total() > self._room for most in half.values())

    def alone(self, settings: Sequence[Setting]) -> list[Change]:
        """For each setting that suffices alone, the largest value that does."""
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
        """Set one setting after another to its smallest value, until the step fits; then raise each
        as far as it still fits, the most costly first."""
        reduced: list[Setting] = []
        for setting in settings:
            least = [each.values[-1] for each in reduced]
            if any(self.too_large(least, rollout) for rollout in setting.halves):
                reduced.append(setting)
        if not self.fits([setting.values[-1] for setting in reduced]):
            reduced = list(settings)  # one of these raised the half that an earlier one serves
        chosen: list[Sequence[Value]] = [setting.values[-1:] for setting in reduced]
        for index in reversed(range(len(reduced))):
            for larger in ([], *([value] for value in reduced[index].values[:-1])):
                raised = [*chosen[:index], larger, *chosen[index + 1 :]]
                if self._estimates < MOST and self.fits(list(chain(*raised))):
                    chosen = raised
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
    """Keys of ``_known`` for the fields: of rollouts, and of the update."""

    def text(half: str, ignored: set[str]) -> str:
        return f"{half} {sorted((k, str(v)) for k, v in fields.items() if k not in ignored)}"

    return text("rollout", UPDATE_ALONE), text("update", ROLLOUT_ALONE)
