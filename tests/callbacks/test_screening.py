"""Bad rows: looked for before training, left out of it, told of at the end."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from helpers import make_sample
from model_helpers import at_most, make_conversation
from prepare_helpers import Listed
from trainer_helpers import Watch, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks.screening import Screening
from visionthink_pl.data import PromptDataModule, Source, Stream
from visionthink_pl.data.source import Position
from visionthink_pl.families import Family
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.types import ConfigError, RunStopped, UnreadableSample, VQASample

ROWS = [replace(make_sample(), id=f"sample-{index}") for index in range(9)]
NO_ANSWER = replace(ROWS[7], answer="")
NO_IMAGE = UnreadableSample("row 8", "image file is missing: a.png")


def data_of(*rows: VQASample | UnreadableSample, most: int | None = 0) -> PromptDataModule:
    return PromptDataModule(Listed(rows), prompts_per_step=2, max_bad_rows=most)


def test_a_longer_prompt_is_a_bad_row_and_one_of_just_that_length_is_not(family: Family) -> None:
    conversation = make_conversation(family)
    tokens = len(conversation.open(ROWS[0]).trajectory.prompt_ids)
    data = data_of(ROWS[0], ROWS[1], most=1)
    for most, bad in ((tokens, 0), (tokens - 1, 2)):
        screening, limited = Screening(), at_most(conversation, most)
        if bad:
            with pytest.raises(ConfigError, match="2 of 2 training rows are bad; mend them: "):
                screening.check(data, limited)
        else:
            screening.check(data, limited)
        assert screening.bad.count("train") == bad
    assert re.fullmatch(
        rf"prompt too long: 2 \(sample-0, sample-1; of the first: {tokens} tokens, .*\)",
        screening.bad.summary("train"),
    )


def test_visual_tokens_count(family: Family) -> None:
    """With as many as the smaller image's prompt has, the larger one's is too long."""
    conversation = make_conversation(family)
    small, large = (make_sample(size=(side, side)) for side in (112, 224))
    lengths = [len(conversation.open(sample).trajectory.prompt_ids) for sample in (small, large)]
    assert lengths[1] - lengths[0] == 16 - 4
    screening = Screening()
    data = data_of(small, small, replace(large, id="large"), most=1)
    screening.check(data, at_most(conversation, lengths[1] - 1))
    assert screening.bad.summary("train").startswith("prompt too long: 1 (large; ")


def test_more_bad_rows_than_allowed_are_refused_by_id(family: Family) -> None:
    conversation = make_conversation(family)
    data = data_of(*ROWS[:7], NO_ANSWER, NO_IMAGE, most=1)
    with pytest.raises(ConfigError) as refused:
        Screening().check(data, conversation)
    assert str(refused.value) == (
        "data.max_bad_rows: 2 of 9 training rows are bad, which is more than 1; mend them, or set "
        "it to 2 to leave them out. image file is missing: 1 (row 8; of the first: a.png); no "
        "answer: 1 (sample-7)"
    )
    allowed = Screening()
    allowed.check(data_of(*ROWS[:7], NO_ANSWER, NO_IMAGE, most=2), conversation)
    assert allowed.bad.count("train") == 2
    unread = Screening()
    unread.check(data_of(*ROWS[:7], NO_ANSWER, NO_IMAGE, most=None), conversation)
    assert len(unread.bad) == 0


# Prompts a step, rows that may be bad, usable ones of five, and what the error begins with.
FEW = [
    (3, 9, 3, None),
    (3, 9, 2, "only 2 usable rows; set data.prompts_per_step to 2 or less. 3 of 5 "),
    (3, 0, 2, "only 2 usable rows; set data.prompts_per_step to 2 or less. 3 of 5 "),
    (2, 0, 2, None),
    (1, 9, 0, "only 0 usable rows. 5 of 5 "),
    (1, 0, 0, "only 0 usable rows. 5 of 5 "),
]


@pytest.mark.parametrize(("prompts", "most", "usable", "message"), FEW)
def test_too_few_usable_rows_for_a_batch_are_refused_however_many_may_be_bad(
    family: Family, prompts: int, most: int, usable: int, message: str | None
) -> None:
    rows = ROWS[:usable] + [replace(row, answer="") for row in ROWS[usable:5]]
    data = PromptDataModule(Listed(rows), prompts_per_step=prompts, max_bad_rows=most)
    try:
        Screening().check(data, make_conversation(family))
    except ConfigError as error:
        start = f"data.prompts_per_step: {prompts} prompts a step, but data.train has {message}"
        if message is None:
            assert str(error).startswith("data.max_bad_rows: 3 of 5") and most == 0
        else:
            assert str(error).startswith(start + "training rows are bad; mend them: no answer: ")
            assert f"to {5 - usable}" not in str(error).partition(". ")[2]
    else:
        assert message is None and most == 9


class Counted(Listed):
    """Counts how often a row is read."""

    read = 0

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        self.read += 1
        return super().__getitem__(index)


def test_rows_are_read_once_however_often_it_is_asked(family: Family) -> None:
    source, screening = Counted(ROWS), Screening()
    data = PromptDataModule(source, prompts_per_step=2)
    for _ in range(2):
        screening.check(data, make_conversation(family))
    assert source.read == len(ROWS)


def test_a_fit_with_bad_rows_stops_before_the_weights_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VisionThinkModule, "configure_model", lambda module: pytest.fail("loaded"))
    trainer = make_trainer(tmp_path, make_rollout())
    with pytest.raises(ConfigError, match=r"1 of 9 training rows are bad.* \(sample-7\)"):
        trainer.fit(make_module(), datamodule=data_of(*ROWS[:7], NO_ANSWER, ROWS[8]))


class Spoilt(Source):
    """Good while it is looked over, bad when it is trained on."""

    kinds = ("digit",)
    read = 0

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        self.read += 1
        return ROWS[index] if index or self.read <= 2 else NO_IMAGE


def test_a_fit_tells_of_all_rows_left_out_in_one_table_at_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    watch, source = Watch(), Spoilt()
    validation = Listed([ROWS[2], NO_ANSWER])
    data = PromptDataModule(source, validation, prompts_per_step=2, max_bad_rows=1)
    trainer = make_trainer(tmp_path, make_rollout(), watch)
    trainer.fit(make_module(kinds=("digit",)), datamodule=data)
    assert "sample row 8 is left out: image file is missing: a.png" in caplog.messages
    (batch,) = watch.batches["fit"]
    assert [len(batch.samples), len(batch.unreadable)] == [1, 1]
    out = capsys.readouterr().out
    assert out.count("Bad rows, left out: 2") == 1
    (train,) = (line for line in out.splitlines() if "row 8" in line)
    (validate,) = (line for line in out.splitlines() if "sample-7" in line)
    assert "train " in train and "image file is missing" in train
    assert "validate" in validate and "no answer" in validate


def test_a_prompt_that_is_too_long_is_left_out_of_a_batch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Watch()
    source = Listed([ROWS[0], replace(make_sample(size=(448, 448)), id="large")])
    trainer = make_trainer(tmp_path, make_rollout(max_prompt_tokens=170), watch)
    trainer.predict(make_module(), datamodule=PromptDataModule(predict=source))
    (told,) = (line for line in caplog.messages if "left out" in line)
    assert re.match("sample large is left out: prompt too long: .* 64 are vis", told)
    (batch,) = watch.batches["predict"]
    assert [group.sample.id for group in batch.rollouts.groups] == ["sample-0"]


def test_the_first_ten_are_named_and_the_table_has_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [UnreadableSample(f"bad-{n}", f"image file is missing: {n}.png") for n in range(12)]
    data = PromptDataModule(validation=Listed([ROWS[0], *bad]), validation_prompts=5)
    rollout = make_rollout()
    trainer = make_trainer(tmp_path, rollout, limit_val_batches=1.0)
    module = make_module(kinds=("digit",))
    for _ in range(2):  # what was named is not named again
        trainer.validate(module, datamodule=data, verbose=False)
    told = [line for line in caplog.messages if "left out" in line]
    assert told == [
        *(f"sample bad-{n} is left out: image file is missing: {n}.png" for n in range(10)),
        "more samples are left out; all are listed at the end",
    ]
    rollout.screening.report()  # as the command line does at the end
    table = capsys.readouterr().out.rpartition("Bad rows, left out: 12")[2]
    assert all(f"bad-{n}" in table for n in range(12))


NONE_OFFERED = (
    "no prompt of the first batch (2) offers a tool: on images so small the first view saves no "
    "visual token, and they are shown in full at once"
)


@pytest.mark.parametrize(
    ("sides", "options", "told", "why"),
    [
        ((28, 28, 28, 28), {}, [NONE_OFFERED], "one visual token, in half and in full"),
        ((28, 112, 28, 28), {}, [], "one of the first two is large enough"),
        ((28, 28, 28, 28), {"tools": []}, [], "none was wanted"),
    ],
)
def test_a_fit_whose_images_are_too_small_for_a_second_look_is_told_so_once(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    sides: tuple[int, ...],
    options: dict,
    told: list[str],
    why: str,
) -> None:
    rows = [replace(make_sample(size=(s, s)), id=str(row)) for row, s in enumerate(sides)]
    data = PromptDataModule(Listed(rows), prompts_per_step=2, shuffle=False)
    trainer = make_trainer(tmp_path, make_rollout(**options))
    trainer.fit(make_module(kinds=("digit",)), datamodule=data)
    assert trainer.global_step == 2
    assert [line for line in caplog.messages if "offers a tool" in line] == told, why


class Endless(Stream):
    """Samples without an end, every fifth without an answer."""

    kinds = ("digit",)

    def read(
        self, seed: int | None, epoch: int, position: Position | None
    ) -> Iterator[tuple[VQASample | UnreadableSample, Position]]:
        number = 0 if position is None else position["number"]
        while True:
            number += 1
            answer = "7" if number % 5 else ""
            yield replace(make_sample(answer), id=str(number)), {"number": number}


def fit(
    folder: Path,
    steps: int,
    checkpoint: Path | None = None,
    stream: Stream = Endless(),  # noqa: B008 (it has no state)
    **options,
) -> list[list[str]]:
    """Train on a stream; the ids of each batch."""
    torch.manual_seed(0)
    watch = Watch()
    data = PromptDataModule(stream, prompts_per_step=2, **options)
    trainer = make_trainer(folder, make_rollout(), watch, max_epochs=-1, max_steps=steps)
    trainer.fit(make_module(kinds=("digit",)), datamodule=data, ckpt_path=checkpoint)
    trainer.save_checkpoint(folder / f"{steps}.ckpt")
    return [[sample.id for sample in batch.samples] for batch in watch.batches["fit"]]


def test_a_run_on_a_stream_goes_on_with_exactly_the_rest(tmp_path: Path) -> None:
    first = fit(tmp_path, 2, max_bad_rows=None)
    rest = fit(tmp_path, 4, checkpoint=tmp_path / "2.ckpt", max_bad_rows=None)
    assert first + rest == [["1", "2"], ["3", "4"], ["6"], ["7", "8"]]


class Short(Stream):
    """Five samples an epoch, whose ids tell the seed's epoch."""

    kinds = ("digit",)

    def read(
        self, seed: int | None, epoch: int, position: Position | None
    ) -> Iterator[tuple[VQASample | UnreadableSample, Position]]:
        for number in range(0 if position is None else position["number"], 5):
            yield replace(make_sample(), id=f"{epoch}/{number}"), {"number": number + 1}


@pytest.mark.parametrize(("done", "why"), [(2, "at the end of one"), (3, "in the second")])
def test_epochs_of_a_stream_go_on_where_they_were(tmp_path: Path, done: int, why: str) -> None:
    first = fit(tmp_path, done, stream=Short())
    rest = fit(tmp_path, 5, checkpoint=tmp_path / f"{done}.ckpt", stream=Short())
    epochs = [[[f"{e}/{n}", f"{e}/{n + 1}"] for n in (0, 2)] for e in range(3)]
    assert first + rest == sum(epochs, [])[:5], why


def test_too_many_bad_rows_of_a_stream_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunStopped) as stop:
        fit(tmp_path, 4, validation=Listed([ROWS[0], NO_IMAGE]))  # not of the stream
    assert str(stop.value).startswith(
        "data.max_bad_rows: the stream has had 1 bad row, which is more than 0. no answer: 1 (5)"
    )
    assert "row 8" not in str(stop.value)
    (stopped,) = tmp_path.rglob("stopped.ckpt")
    assert fit(tmp_path, 3, checkpoint=stopped, max_bad_rows=1) == [["6"]]  # the batch of 5


def test_a_stream_needs_an_end_of_training(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trainer.max_steps: must be set; data.train is a stream"):
        fit(tmp_path, -1)
