"""Bad rows: found before training, left out of batches, reported at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

from lightning import Trainer
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from visionthink_pl.data import BadRows, PromptDataModule, Source, Stream, look_at, usable
from visionthink_pl.data.batches import too_few
from visionthink_pl.data.remembered import Finding, Remembered
from visionthink_pl.data.share import ALL, Share
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.opening import Opening, PromptLength
from visionthink_pl.training.ranks import gathered
from visionthink_pl.types import (
    ConfigError,
    PromptBatch,
    RunStopped,
    UnreadableSample,
)

TRAIN = "train"  # Lightning's name of the stage
NAMED = 10  # bad rows that are told of as they are met

log = logging.getLogger(__name__)


class Screening:
    """Looks at the rows of a run: those that can't be used are left out, and remembered.

    Attributes:
        bad: those left out so far.
    """

    def __init__(self) -> None:
        self.bad = BadRows()
        self._checked: PromptDataModule | None = None
        self._met: set[tuple[str, str]] = set()  # in batches: stage and id
        self._first = True  # no batch of training has been opened yet

    def check(
        self, data: PromptDataModule, conversation: Conversation, trainer: Trainer | None = None
    ) -> None:
        """Look at all training rows, once. A stream's are counted as they come.

        Args:
            data: of the run.
            conversation: whose prompts are counted.
            trainer: whose ranks share the work; all of them must ask.

        Raises:
            ConfigError: more than ``data.max_bad_rows`` are bad, or the others fill no batch.
        """
        source = data.source("train")
        if data.max_bad_rows is None or self._checked is data or not isinstance(source, Source):
            return
        self._checked = data
        for bad in self._bad_rows(source, conversation, trainer):
            self.bad.add(TRAIN, bad)
        self._refuse_too_many(data, len(source))

    def _bad_rows(
        self, source: Source, conversation: Conversation, trainer: Trainer | None
    ) -> list[UnreadableSample]:
        """Bad rows in order. The first rank reads what is remembered; the others' rows are shared
        between ranks."""
        first = trainer is None or trainer.is_global_zero
        memory = self._memory(source, conversation) if first else None
        known: list[Finding | None] = memory.read() if memory else [None] * len(source)
        unknown = [row for row, finding in enumerate(known) if finding is None]
        bad = {row: f.bad for row, f in enumerate(known) if f is not None and f.bad is not None}
        unknown, bad = gathered((unknown, bad))[0]
        share = ALL if trainer is None else Share.of_rank(trainer)
        own = list(look_at(share.of(unknown), self._look(source, conversation), quiet=not first))
        found = dict(pair for pairs in gathered(own) for pair in pairs)
        if memory and any(finding.lasting for finding in found.values()):
            memory.write([found[row] if f is None else f for row, f in enumerate(known)])
        bad |= {row: finding.bad for row, finding in found.items() if finding.bad is not None}
        return [bad[row] for row in sorted(bad)]

    def _memory(self, source: Source, conversation: Conversation) -> Remembered | None:
        if (origin := source.origin) is None:
            return None
        counted = conversation.options.limits_prompts
        lengths = conversation.identity if counted else None
        return Remembered(origin, len(source), {"lengths": lengths})

    def _look(self, source: Source, conversation: Conversation) -> Callable[[int], Finding]:
        """The check of one row; safe in several threads."""
        one_at_a_time = Lock()  # as ``Conversation.length`` asks for

        def find_out(index: int) -> Finding:
            seen = source.look(index)
            row = usable(seen.row)
            if isinstance(row, UnreadableSample):
                return Finding(row, lasting=False)
            if not conversation.options.limits_prompts:
                return Finding(None, seen.files)
            with one_at_a_time:
                length = conversation.length(row.question, seen.sizes)
            if length is not None:
                return Finding(_if_too_long(conversation, row.id, length), seen.files)
            whole = source[index]  # a first view that depends on more than sizes
            if isinstance(whole, UnreadableSample):
                return Finding(whole, lasting=False)
            shown = replace(whole, views=conversation.views(whole))
            with one_at_a_time:
                length = conversation.open(shown).length
            return Finding(_if_too_long(conversation, whole.id, length), lasting=False)

        return find_out

    def _refuse_too_many(self, data: PromptDataModule, rows: int) -> None:
        count, most = self.bad.count(TRAIN), data.max_bad_rows
        bad = f"{count} of {rows} training rows are bad"
        if (left := rows - count) < data.prompts_per_step:
            error = too_few(data.prompts_per_step, "data.train", left, "usable rows")
            raise ConfigError(f"{error}. {bad}; mend them: {self.bad.summary(TRAIN)}")
        if most is not None and count > most:
            raise ConfigError(
                f"data.max_bad_rows: {bad}, which is more than {most}; mend them, or set it to "
                f"{count} to leave them out. {self.bad.summary(TRAIN)}"
            )

    def open(
        self, batch: PromptBatch, conversation: Conversation, trainer: Trainer
    ) -> list[Opening]:
        """Open the prompts of a batch, and take bad rows out of it; every rank notes those of all
        ranks.

        Raises:
            RunStopped: there have been more than ``data.max_bad_rows`` of training.
        """
        opened = [conversation.open(sample) for sample in batch.samples]
        found = [_if_too_long(conversation, o.sample.id, o.length) for o in opened]
        openings = [o for o, bad in zip(opened, found, strict=True) if bad is None]
        batch.samples = [opening.sample for opening in openings]
        batch.unreadable += [bad for bad in found if bad is not None]
        stage = str(trainer.state.stage and trainer.state.stage.value)
        for bad in (row for share in gathered(batch.unreadable) for row in share):
            self._tell(stage, bad, trainer)
            self.bad.add(stage, bad)
        if stage == TRAIN:
            self._warn_if_none_offered(openings, conversation, trainer)
            self._stop_if_too_many(trainer)
        return openings

    def _warn_if_none_offered(
        self, openings: Sequence[Opening], conversation: Conversation, trainer: Trainer
    ) -> None:
        """Of the first batch: where it is so with all, nothing is learnt of when to look."""
        first, self._first = self._first, False
        if not (first and openings and conversation.options.offered and trainer.is_global_zero):
            return
        if not any(opening.trajectory.tools_offered for opening in openings):
            log.warning(
                "no prompt of the first batch (%d) offers a tool: on images so small the first "
                "view saves no visual token, and they are shown in full at once",
                len(openings),
            )

    def _tell(self, stage: str, bad: UnreadableSample, trainer: Trainer) -> None:
        """Name the first ones, each once."""
        if (stage, bad.id) in self._met or not trainer.is_global_zero:
            return
        self._met.add((stage, bad.id))
        if len(self._met) <= NAMED:
            log.warning("sample %s is left out: %s", bad.id, bad.reason)
        elif len(self._met) == NAMED + 1:
            log.warning("more samples are left out; all are listed at the end")

    def _stop_if_too_many(self, trainer: Trainer) -> None:
        """Streams are not screened before training, and of other sources only image headers are."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, PromptDataModule) or data.max_bad_rows is None:
            return
        count = self.bad.count(TRAIN)
        if count > data.max_bad_rows:
            rows = "1 bad row" if count == 1 else f"{count} bad rows"
            where = "the stream" if isinstance(data.source("train"), Stream) else "data.train"
            raise RunStopped(
                f"data.max_bad_rows: {where} has had {rows}, which is more than "
                f"{data.max_bad_rows}. {self.bad.summary(TRAIN)}"
            )

    @rank_zero_only
    def report(self) -> None:
        """Print what was left out, if anything was."""
        if len(self.bad):
            Console().print(self.bad.table(), markup=False)


def _if_too_long(
    conversation: Conversation, name: str, length: PromptLength
) -> UnreadableSample | None:
    reason = conversation.budget.too_long(length)
    return None if reason is None else UnreadableSample(name, reason)
