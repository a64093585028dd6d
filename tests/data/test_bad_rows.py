"""What makes a row a bad one, and how all of them are told of."""

from dataclasses import replace

from rich.console import Console

from helpers import make_sample
from visionthink_pl.data import BadRows, PromptDataModule, Source, usable
from visionthink_pl.types import UnreadableSample, VQASample

GOOD = make_sample()


def test_a_question_is_always_needed_and_an_answer_where_it_is_scored() -> None:
    silent, blank = replace(GOOD, question=" \n"), replace(GOOD, answer=" ")
    assert usable(GOOD) is GOOD
    assert usable(blank, needs_answer=False) is blank
    assert usable(blank) == UnreadableSample("sample-0", "no answer")
    for others in (("",), ("8", " ")):
        several = replace(GOOD, other_answers=others)
        assert usable(several) == UnreadableSample("sample-0", "blank answer among several")
    assert usable(replace(blank, other_answers=("", " "))).reason == "no answer"
    assert usable(replace(GOOD, other_answers=("8", "8"))).answers == ("7", "8", "8")
    for needed in (True, False):
        assert usable(silent, needed) == UnreadableSample("sample-0", "empty question")
    for blank in ("", " \t\n"):
        assert usable(replace(GOOD, kind=blank)) == UnreadableSample("sample-0", "no kind")
    bad = UnreadableSample("a", "no image")
    assert usable(bad) is bad


class Given(Source):
    kinds = ("digit",)

    def __init__(self, *rows: VQASample | UnreadableSample) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        return self._rows[index]


def test_prediction_alone_does_without_answers() -> None:
    source = Given(GOOD, replace(GOOD, answer=""))
    data = PromptDataModule(train=source, validation=source, prompts_per_step=2)
    loaders = (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    for loader in loaders:
        (batch,) = loader
        assert len(batch.samples) == 1
        assert batch.unreadable == [UnreadableSample("sample-0", "no answer")]
    (batch,) = data.predict_dataloader()
    assert len(batch.samples) == 2 and not batch.unreadable


def some() -> BadRows:
    bad = BadRows()
    bad.add("train", UnreadableSample("a", "no answer"))
    bad.add("train", UnreadableSample("b", "image file is missing: b.png"))
    bad.add("train", UnreadableSample("c [1]", "image file is missing: c.png"))
    bad.add("validate", UnreadableSample("a", "no answer"))
    return bad


def test_rows_are_counted_once_and_by_stage() -> None:
    bad = some()
    bad.add("train", UnreadableSample("a", "no answer"))  # drawn again in the next epoch
    assert (len(bad), bad.count("train"), bad.count("validate"), bad.count("test")) == (4, 3, 1, 0)


def test_the_summary_is_by_reason_with_ids() -> None:
    assert some().summary("train") == (
        "image file is missing: 2 (b, c [1]; of the first: b.png); no answer: 1 (a)"
    )
    assert some().summary("validate") == "no answer: 1 (a)"
    assert some().summary("test") == ""


def test_the_table_shows_every_id() -> None:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(some().table())
    out = captured.get()
    assert "Bad rows, left out: 4" in out
    (line,) = (line for line in out.splitlines() if "missing" in line)
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "train",
        "image file is missing",
        "2",
        "b, c [1]",
    ]


def test_of_many_the_summary_names_the_first_and_the_table_all() -> None:
    bad = BadRows()
    for index in range(25):
        bad.add("train", UnreadableSample(str(index), "no image"))
    assert bad.summary("train") == f"no image: 25 ({', '.join(map(str, range(20)))} and 5 more)"
    console = Console(width=150)
    with console.capture() as captured:
        console.print(bad.table())
    assert ", ".join(map(str, range(25))) in captured.get()
