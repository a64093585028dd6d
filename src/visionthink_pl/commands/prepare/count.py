"""Counts how often the policy answers each sample correctly, at low and at high resolution."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TypeVar

from visionthink_pl.commands.prepare.duplicates import Seen
from visionthink_pl.commands.prepare.examine import examine, read_again
from visionthink_pl.commands.prepare.record import Record, Row
from visionthink_pl.commands.prepare.settings import Settings
from visionthink_pl.data import Source
from visionthink_pl.images import FirstView
from visionthink_pl.images.first_views import InFull
from visionthink_pl.policy import Policy
from visionthink_pl.rewards import Reward, score_groups
from visionthink_pl.rollout import RolloutEngine
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.types import Group, VQASample
from visionthink_pl.types.memory import JUDGE_REMEDY, memory_for

KEPT = "The counts are kept: the same command resumes from there"
LOW, HIGH = 0, 1  # draw index: each resolution gets random numbers of its own

Counts = tuple[int | None, int | None]  # correct at low and at high resolution
Count = Callable[[Sequence[VQASample]], list[Counts]]
Report = Callable[[Sequence[Row]], None]
Item = TypeVar("Item")


class SampleCounter:
    """Rolls out samples at both resolutions, in one look each, and counts correct answers.

    Args:
        settings: rollouts, limits, prompt, reward.
        policy: that answers.
    """

    def __init__(self, settings: Settings, policy: Policy) -> None:
        self._settings, self._policy = settings, policy
        self._views = self._conversation(settings.view).views
        self._low, self._high = self._engine(settings.view), self._engine(InFull(settings.view))

    def __call__(self, samples: Sequence[VQASample]) -> list[Counts]:
        """Correct rollouts of each sample, at low and at high resolution.

        Raises:
            RunStopped: too few could be scored.
        """
        if not samples:
            return []
        reward, rollouts = self._settings.accuracy, self._settings.rollouts
        halved = [sample for sample in samples if self._saves(sample)]
        with self._memory(len(samples)), self._policy.autocast():
            low = self._low.rollout(halved, rollouts, LOW, ended=reward.begin)
            high = self._high.rollout(samples, rollouts, HIGH, ended=reward.begin)
        self._policy.forget_images()
        with memory_for("scoring", f"{len(low + high)} groups", [JUDGE_REMEDY], KEPT):
            score_groups(low + high, [reward])
        lows = {id(group.sample): correct(group, reward) for group in low}
        highs = [correct(group, reward) for group in high]
        return [
            (lows.get(id(sample), count), count)
            for sample, count in zip(samples, highs, strict=True)
        ]

    def _saves(self, sample: VQASample) -> bool:
        """Whether the first view has fewer visual tokens. If not, training shows the full image at
        once, and low resolution needs no rollouts of its own."""
        views, count = self._views(sample), self._policy.family.visual_tokens
        first, full = ([view.image for view in some] for some in (views.first, views.full))
        return sum(map(count, first)) < sum(map(count, full))

    def _memory(self, samples: int) -> AbstractContextManager[None]:
        settings = self._settings
        group, at_once = settings.rollouts, min(settings.rows, samples * settings.rollouts)
        sizes = (
            f"{at_once} answers at once of up to {settings.max_new_tokens} tokens, to {samples} "
            f"samples with images of up to {settings.limits.max_pixels:,} pixels"
        )
        remedies = ["lower limits.max_pixels or max_new_tokens, with another out"]
        if samples > 1:
            remedies.insert(0, f"lower prompts_per_batch to {samples // 2}")
        if at_once > group:
            remedies.insert(0, f"lower rows to {max(at_once // 2, group)}")
        return memory_for("rolling out", sizes, remedies, KEPT)

    def _engine(self, view: FirstView) -> RolloutEngine:
        sampling = self._settings.sampling(view)
        return RolloutEngine(self._policy, self._conversation(view), sampling)

    def _conversation(self, view: FirstView) -> Conversation:
        return Conversation(self._policy.family, self._settings.conversation(view))


def correct(group: Group, reward: Reward) -> int | None:
    """Number of correct trajectories; ``None`` where one could not be scored, since it may have
    been correct."""
    scores = group.parts[reward.name]
    return None if None in scores else sum(score == 1 for score in scores)


def count_all(settings: Settings, count: Count, record: Record, report: Report) -> None:
    """Count all samples of the source that the record lacks.

    Batches always hold the same samples: one that the record holds in part is rolled out again as
    a whole, so that a killed run ends in the same counts as one that was not killed. Samples that
    an earlier run could not score are rolled out again first.

    Args:
        settings: of the whole run.
        count: rolls out a batch, as a ``SampleCounter`` does.
        record: gets the new rows.
        report: called with the new rows of each batch.
    """
    source = settings.data
    for batch in _batches([row for row in record.rows.values() if row.unscored], settings):
        rows = _counted(batch, [read_again(row, source) for row in batch], count)
        record.append(rows)
        report(rows)
    seen = Seen(settings.near_duplicates)
    for indices in _batches(range(len(source)), settings):
        known = [record.rows[index] for index in indices if index in record.rows]
        if len(known) == len(indices):
            seen.add(known)
            continue
        rows = _batch(indices, source, seen, count)
        missing = [row for row in rows if row.index not in record.rows]
        record.append(missing)
        report(missing)


def _batch(indices: Sequence[int], source: Source, seen: Seen, count: Count) -> list[Row]:
    """Read one batch, and roll out the samples that are neither unreadable nor duplicates."""
    rows, samples = [], []
    for index in indices:
        sample = source[index]
        row = examine(index, sample, seen)
        rows.append(row)
        if row.to_roll_out and isinstance(sample, VQASample):
            seen.add([row])
            samples.append(sample)
    counted = _counted([row for row in rows if row.to_roll_out], samples, count)
    by_index = {row.index: row for row in counted}
    return [by_index.get(row.index, row) for row in rows]


def _counted(rows: Sequence[Row], samples: Sequence[VQASample], count: Count) -> list[Row]:
    counts = count(samples)
    return [replace(row, low=low, high=high) for row, (low, high) in zip(rows, counts, strict=True)]


def _batches(items: Sequence[Item], settings: Settings) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), settings.prompts_per_batch):
        yield items[start : start + settings.prompts_per_batch]
