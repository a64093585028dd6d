"""What is done about bad rows: looked for before training, left out, told of at the end."""

from __future__ import annotations

import logging

from lightning import Trainer
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from visionthink_pl.conversation import Conversation
from visionthink_pl.data import BadRows, PromptDataModule, Source, Stream, read_all
from visionthink_pl.data.batches import too_few
from visionthink_pl.ranks import gathered
from visionthink_pl.types import (
    ConfigError,
    PromptBatch,
    RunStopped,
    UnreadableSample,
    VQASample,
)

TRAIN = "train"  # Lightning's name of the stage
NAMED = 10  # bad rows that are told of as they are met

log = logging.getLogger(__name__)


class Screening:
    """Looks at the rows of a run: those that can't be used are left out, and remembered.

    Args:
        max_prompt_tokens: tokens that a prompt may have, visual ones of the first look included;
            ``None`` for any number.

    Attributes:
        bad: those left out so far.
        max_prompt_tokens: as given.
    """

    def __init__(self, max_prompt_tokens: int | None) -> None:
        self.bad = BadRows()
        self.max_prompt_tokens = max_prompt_tokens
        self._checked: PromptDataModule | None = None
        self._met: set[tuple[str, str]] = set()  # in batches: stage and id

    def check(self, data: PromptDataModule, conversation: Conversation) -> None:
        """Read all training rows, once. A stream's are counted as they come.

        Raises:
            ConfigError: more than ``data.max_bad_rows`` are bad, or the others fill no batch.
        """
        source = data.source("train")
        if data.max_bad_rows is None or self._checked is data or not isinstance(source, Source):
            return
        self._checked = data
        for row in read_all(source):
            found = self._of_length(row, conversation) if isinstance(row, VQASample) else row
            if isinstance(found, UnreadableSample):
                self.bad.add(TRAIN, found)
        self._refuse_too_many(data, len(source))

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

    def leave_out(self, batch: PromptBatch, conversation: Conversation, trainer: Trainer) -> None:
        """Take bad rows out of a batch; every rank notes those of all ranks.

        Raises:
            RunStopped: a stream has had more than ``data.max_bad_rows``.
        """
        rows = [self._of_length(sample, conversation) for sample in batch.samples]
        batch.samples = [row for row in rows if isinstance(row, VQASample)]
        batch.unreadable += [row for row in rows if isinstance(row, UnreadableSample)]
        stage = str(trainer.state.stage and trainer.state.stage.value)
        for bad in (row for share in gathered(trainer, batch.unreadable) for row in share):
            self._tell(stage, bad, trainer)
            self.bad.add(stage, bad)
        if stage == TRAIN:
            self._stop_stream(trainer)

    def _tell(self, stage: str, bad: UnreadableSample, trainer: Trainer) -> None:
        """Name the first ones, each once."""
        if (stage, bad.id) in self._met or not trainer.is_global_zero:
            return
        self._met.add((stage, bad.id))
        if len(self._met) <= NAMED:
            log.warning("sample %s is left out: %s", bad.id, bad.reason)
        elif len(self._met) == NAMED + 1:
            log.warning("more samples are left out; all are listed at the end")

    def _stop_stream(self, trainer: Trainer) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, PromptDataModule) or data.max_bad_rows is None:
            return
        count = self.bad.count(TRAIN)
        if isinstance(data.source("train"), Stream) and count > data.max_bad_rows:
            rows = "1 bad row" if count == 1 else f"{count} bad rows"
            raise RunStopped(
                f"data.max_bad_rows: the stream has had {rows}, which is more than "
                f"{data.max_bad_rows}. {self.bad.summary(TRAIN)}"
            )

    def _of_length(
        self, sample: VQASample, conversation: Conversation
    ) -> VQASample | UnreadableSample:
        """The sample, or the bad row that it is for its length."""
        if self.max_prompt_tokens is None:
            return sample
        prompt = conversation.open(sample).trajectory
        if (tokens := len(prompt.prompt_ids)) <= self.max_prompt_tokens:
            return sample
        return UnreadableSample(
            sample.id,
            f"prompt too long: {tokens} tokens, of which {prompt.visual_tokens} are visual; at "
            f"most {self.max_prompt_tokens}",
        )

    @rank_zero_only
    def report(self) -> None:
        """Print what was left out, if anything was."""
        if len(self.bad):
            Console().print(self.bad.table(), markup=False)
