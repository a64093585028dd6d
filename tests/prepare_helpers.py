"""Settings, sources and counts for the command ``prepare``, without a model."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from visionthink_pl.commands.prepare.count import Counts
from visionthink_pl.commands.prepare.settings import Settings
from visionthink_pl.data import LookCloser, Source
from visionthink_pl.rewards import Reward, RuleAccuracy
from visionthink_pl.rewards.base import Scores
from visionthink_pl.types import Group, UnreadableSample, VQASample


class Listed(Source):
    """The samples that it is given."""

    def __init__(self, samples: Sequence[VQASample | UnreadableSample]) -> None:
        self.samples = list(samples)

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("digit",)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        return self.samples[index]


class Faulty(RuleAccuracy):
    """Rules, except that ``fails`` says for which groups no trajectory can be scored."""

    def __init__(self, fails: Callable[[Group], bool]) -> None:
        super().__init__()
        self._fails = fails

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        scores = super().score(group, parts)
        return [None, *scores[1:]] if self._fails(group) else scores


class Killed(Reward):
    """Counts as killed once so many batches have been scored."""

    name = "accuracy"

    def __init__(self, inner: Reward, batches: int) -> None:
        super().__init__()
        self._inner, self._left = inner, batches

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        if not self._left:
            raise KeyboardInterrupt
        return self._inner.score(group, parts)

    def finish(self) -> None:
        self._left -= 1


def make_settings(out: Path, **options) -> Settings:
    """Small ones for the drawn samples and the embedded model."""
    defaults = {
        "data": LookCloser(20),
        "accuracy": RuleAccuracy(),
        "out": str(out),
        "rollouts": 2,
        "gain": 1,
        "max_new_tokens": 24,
        "prompts_per_batch": 4,
    }
    return Settings(**(defaults | options))


class FakeCount:
    """Stands in for rolling out: counts that depend on the sample alone.

    Attributes:
        asked: ids, batch by batch.
    """

    def __init__(self, stop_after: int | None = None) -> None:
        self.asked: list[list[str]] = []
        self._stop_after = stop_after

    def __call__(self, samples: Sequence[VQASample]) -> list[Counts]:
        if len(self.asked) == self._stop_after:
            raise KeyboardInterrupt
        self.asked.append([sample.id for sample in samples])
        return [(0, 2) if sample.needs_second_look else (2, 2) for sample in samples]
