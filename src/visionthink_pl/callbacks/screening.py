"""What is done about bad rows: looked for before training, left out, told of at the end."""

from __future__ import annotations

from lightning import Trainer
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn
from rich.console import Console

from visionthink_pl.conversation import Conversation
from visionthink_pl.data import BadRows, PromptDataModule, Source, Stream, read_all
from visionthink_pl.ranks import gathered
from visionthink_pl.types import (
    ConfigError,
    PromptBatch,
    RunStopped,
    UnreadableSample,
    VQASample,
)

TRAIN = "train"  # Lightning's name of the stage


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

    def check(self, data: PromptDataModule, conversation: Conversation) -> None:
        """Read all training rows, once. A stream's are counted as they come.

        Raises:
            ConfigError: more than ``data.max_bad_rows`` are bad.
        """
        source = data.source("train")
        if data.max_bad_rows is None or self._checked is data or not isinstance(source, Source):
            return
        self._checked = data
        for row in read_all(source):
            found = self._of_length(row, conversation) if isinstance(row, VQASample) else row
            if isinstance(found, UnreadableSample):
                self.bad.add(TRAIN, found)
        if (count := self.bad.count(TRAIN)) > data.max_bad_rows:
            raise ConfigError(
                f"data.max_bad_rows: {count} of {len(source)} training rows are bad, which is more "
                f"than {data.max_bad_rows}; mend them, or set it to {count} to leave them out. "
                f"{self.bad.summary()}"
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
            rank_zero_warn(f"sample {bad.id} is left out: {bad.reason}")
            self.bad.add(stage, bad)
        if stage == TRAIN:
            self._stop_stream(trainer)

    def _stop_stream(self, trainer: Trainer) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, PromptDataModule) or data.max_bad_rows is None:
            return
        if isinstance(data.source("train"), Stream) and self.bad.count(TRAIN) > data.max_bad_rows:
            raise RunStopped(
                f"data.max_bad_rows: the stream has had {self.bad.count(TRAIN)} bad rows, which is "
                f"more than {data.max_bad_rows}. {self.bad.summary()}"
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
