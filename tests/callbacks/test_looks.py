"""The look before training decides by headers and sizes what reading everything would decide,
remembers it, and shares it among ranks; what it can't see stops the run when it is drawn."""

import io
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lightning import Callback, Trainer
from PIL import Image

from families_helpers import family_of
from model_helpers import at_most, make_conversation
from table_helpers import write_parquet
from trainer_helpers import Plain, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks.screening import Screening
from visionthink_pl.data import Columns, ImageFolder, PromptDataModule, Source, VQADataset, usable
from visionthink_pl.families import Family, load_family
from visionthink_pl.images import FirstView, FullView, HalfView, PixelLimits, Size
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import ConfigError, RunStopped, UnreadableSample, VQASample
from visionthink_pl.visual_tools import ResizeImage

MOST = 190  # tokens: between the shortest and the longest prompts below


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Third(FirstView):
    """A third of each side; says nothing of sizes."""

    def first(self, high: Image.Image, sample: VQASample) -> Image.Image:
        return high.resize((max(1, high.width // 3), max(1, high.height // 3)))


class HalfOfSome(HalfView):
    """Looks at the question, so that what its parent says of sizes does not hold."""

    def first(self, high: Image.Image, sample: VQASample) -> Image.Image:
        return high if "whole" in sample.question else super().first(high, sample)


SIZES = [(1, 1), (20, 30), (28, 28), (112, 112), (113, 57), (56, 2700), (333, 1001), (2000, 1500)]
VIEWS: list[FirstView] = [HalfView(), FullView()]
LIMITS = [PixelLimits(), PixelLimits(20_000, 50_000)]


def conversation_of(
    family: Family, view: FirstView, limits: PixelLimits, with_tool: bool = True
) -> Conversation:
    tools = [ResizeImage()] if with_tool and not isinstance(view, FullView) else []
    options = ConversationOptions(tools=tools, first_view=view, limits=limits)
    return Conversation(family, options)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: type(view).__name__)
@pytest.mark.parametrize("limits", LIMITS, ids=lambda limits: str(limits.max_pixels))
@pytest.mark.parametrize("with_tool", [True, False])
def test_the_length_by_sizes_is_the_length(
    checkpoint: Path, view: FirstView, limits: PixelLimits, with_tool: bool
) -> None:
    family = family_of(checkpoint)
    conversation = conversation_of(family, view, limits, with_tool)
    lengths = set()
    for some in [[size] for size in SIZES] + [SIZES[2:5], SIZES[-2:]]:
        images = tuple(Image.new("RGB", size) for size in some)
        sample = VQASample("a", "What is it? <|im_end|> ü", "7", images, "k")
        prompt = conversation.open(sample).trajectory
        length = conversation.length(sample.question, [Size(*size) for size in some])
        assert length == (len(prompt.prompt_ids), prompt.visual_tokens), some
        lengths.add(length)
    assert len(lengths) > 3


def test_a_view_that_says_nothing_of_sizes_is_asked_for_the_image(family: Family) -> None:
    for view in (Third(), HalfOfSome()):
        assert view.size(Size(100, 100)) is None
        assert conversation_of(family, view, PixelLimits()).length("?", [Size(9, 9)]) is None


def jpeg(size: tuple[int, int], cut: int | None = None, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    noise = Image.effect_noise(size, 60).convert("RGB")
    noise.save(out, "JPEG", exif=exif)
    return out.getvalue()[:cut]


# Name and bytes of images, and the question about each: good ones, long ones, bad ones.
QUESTIONS = [
    ("small.jpg", jpeg((112, 112)), "What?"),
    ("sideways.jpg", jpeg((300, 112), orientation=6), "What?"),
    ("large.jpg", jpeg((448, 448)), "What?"),
    ("cut.jpg", jpeg((112, 112), cut=-60), "What?"),
    ("narrow.jpg", jpeg((12, 700)), "What?"),
    ("text.jpg", b"no image", "What?"),
    ("small.jpg", jpeg((112, 112)), "word " * 60),
    ("small.jpg", jpeg((112, 112)), "What, the whole?"),
    ("nowhere.jpg", None, "What?"),
    ("small.jpg", jpeg((112, 112)), ""),
]


def folder_of(folder: Path, copies: int = 1) -> ImageFolder:
    folder.mkdir(exist_ok=True)
    rows = []
    for copy in range(copies):
        for name, data, question in QUESTIONS:
            if data is not None:
                (folder / f"{copy}-{name}").write_bytes(data)
            rows.append({"image": f"{copy}-{name}", "question": question, "answer": "7"})
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return ImageFolder(str(folder))


def table_of(folder: Path) -> VQADataset:
    folder.mkdir(exist_ok=True)
    rows = [
        {"image": {"bytes": data, "path": None}, "question": question, "answer": "7"}
        for _, data, question in QUESTIONS
    ]
    return VQADataset(write_parquet(folder / "rows.parquet", rows), Columns())


def oracle(source: Source, conversation: Conversation, most: int | None) -> dict[str, str]:
    """What reading every row whole finds: ids of bad ones, and the reasons as they are counted."""
    found = {}
    for index in range(len(source)):
        row = usable(source[index])
        if isinstance(row, UnreadableSample):
            found[row.id] = row.reason.partition(":")[0]
        elif most is not None:
            prompt = conversation.open(row).trajectory
            if len(prompt.prompt_ids) > most:
                found[row.id] = (
                    f"prompt too long: {len(prompt.prompt_ids)} tokens, of which "
                    f"{prompt.visual_tokens} are visual; at most {most}"
                )
    return found


def screened(
    source: Source, conversation: Conversation, most: int | None, trainer: Any = None
) -> dict[str, str]:
    """What the look before training finds, in the same words."""
    screening = Screening()
    data = PromptDataModule(source, prompts_per_step=1, max_bad_rows=999)
    with suppress(ConfigError):  # no row is usable
        screening.check(data, at_most(conversation, most), trainer)
    return {
        name: reason if reason.startswith("prompt") else reason.partition(":")[0]
        for (_, name), reason in screening.bad._reasons.items()
    }


@pytest.mark.parametrize("make", [folder_of, table_of])
@pytest.mark.parametrize("most", [None, MOST, 10_000, 1])
@pytest.mark.parametrize("view", [HalfView(), FullView(), Third(), HalfOfSome()])
def test_the_look_decides_what_reading_everything_decides(
    family: Family, tmp_path: Path, make: Callable, most: int | None, view: FirstView
) -> None:
    source = make(tmp_path / "data")
    conversation = conversation_of(family, view, PixelLimits())
    expected = oracle(source, conversation, most)
    assert len(expected) == 10 if most == 1 else 5 <= len(expected) < 10
    for _ in range(2):  # found out, and remembered
        assert screened(source, conversation, most) == expected


class Counted(ImageFolder):
    """Counts the rows that are looked at."""

    looked = 0

    def look(self, index: int) -> Any:
        self.looked += 1
        return super().look(index)


def count(folder: Path, conversation: Conversation, most: int | None = MOST) -> int:
    """Rows that a start of a run looks at."""
    source = Counted(str(folder))
    screened(source, conversation, most)
    return source.looked


UNUSABLE = 5  # rows that are bad whatever a prompt may have: looked at by each run
ALL = len(QUESTIONS)


def test_a_second_run_looks_at_what_has_changed_alone(family: Family, tmp_path: Path) -> None:
    folder, conversation = tmp_path / "data", make_conversation(family)
    folder_of(folder)
    assert count(folder, conversation) == ALL
    assert count(folder, conversation) == UNUSABLE
    (folder / "0-nowhere.jpg").write_bytes(jpeg((112, 112)))  # mended
    assert count(folder, conversation) == UNUSABLE
    assert count(folder, conversation) == UNUSABLE - 1
    os.utime(folder / "0-small.jpg", ns=(1, 1))  # of three good rows and one without a question
    assert count(folder, conversation) == UNUSABLE - 1 + 3
    assert count(folder, conversation) == UNUSABLE - 1
    (folder / "questions.jsonl").write_text((folder / "questions.jsonl").read_text() + "\n")
    assert count(folder, conversation) == ALL


def other(family: Family, **settings: Any) -> Conversation:
    view = settings.pop("view", HalfView())
    limits = settings.pop("limits", PixelLimits())
    return conversation_of(family, view, limits, **settings)


# Another setting, and whether what was found holds with it.
SETTINGS: list[tuple[str, Callable[[Family], tuple[Conversation, int | None]], bool]] = [
    ("the same", lambda family: (other(family), MOST), True),
    ("another limit", lambda family: (other(family), MOST + 1), False),
    ("no limit", lambda family: (other(family), None), False),
    ("another view", lambda family: (other(family, view=FullView()), MOST), False),
    ("a view that is asked", lambda family: (other(family, view=Third()), MOST), False),
    ("pixel limits", lambda f: (other(f, limits=PixelLimits(784, 9999)), MOST), False),
    ("no tool", lambda family: (other(family, with_tool=False), MOST), False),
]


@pytest.mark.parametrize(("what", "make", "holds"), SETTINGS, ids=[row[0] for row in SETTINGS])
def test_what_was_found_holds_for_the_same_settings_alone(
    family: Family, tmp_path: Path, what: str, make: Callable, holds: bool
) -> None:
    folder_of(tmp_path / "data")
    count(tmp_path / "data", other(family))
    assert count(tmp_path / "data", *make(family)) == (UNUSABLE if holds else ALL), what


def test_another_processor_knows_nothing_of_it(
    checkpoint: Path, family: Family, tmp_path: Path
) -> None:
    folder_of(tmp_path / "data")
    other_family = family_of(checkpoint)
    assert family_of(checkpoint).digest == other_family.digest != family.digest
    count(tmp_path / "data", make_conversation(family))
    assert count(tmp_path / "data", make_conversation(other_family)) == ALL
    assert count(tmp_path / "data", make_conversation(other_family)) == UNUSABLE


def test_a_refused_run_remembers_too(family: Family, tmp_path: Path) -> None:
    folder, conversation = tmp_path / "data", make_conversation(family)
    folder_of(folder)
    with pytest.raises(ConfigError, match="data.max_bad_rows"):
        data = PromptDataModule(ImageFolder(str(folder)), prompts_per_step=1)
        Screening().check(data, at_most(conversation, MOST))
    assert count(folder, conversation) == UNUSABLE


class Ranks:
    """Ranks as threads, which exchange what they say."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._said: list[Any] = [None] * count
        self._own = threading.local()
        self._all_here = threading.Barrier(count, timeout=60)  # seconds

    def run(self, each: Callable[[Any], Any]) -> list[Any]:
        """What each rank comes to."""
        with ThreadPoolExecutor(self.count) as pool:
            return list(pool.map(lambda rank: each(self._trainer(rank)), range(self.count)))

    def _trainer(self, rank: int) -> Any:
        self._own.rank = rank  # of this thread
        names = {"global_rank": rank, "world_size": self.count, "is_global_zero": rank == 0}
        return SimpleNamespace(**names)

    def gathered(self, value: Any) -> list[Any]:
        self._said[self._own.rank] = value
        self._all_here.wait()
        said = list(self._said)
        self._all_here.wait()
        return said


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_ranks_share_the_rows_and_come_to_the_same(
    family: Family, tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranks, folder = Ranks(count), tmp_path / "data"
    monkeypatch.setattr("visionthink_pl.callbacks.screening.gathered", ranks.gathered)
    expected = oracle(folder_of(folder), make_conversation(family), MOST)
    for rows in (ALL, UNUSABLE):  # again, with what the first rank remembers
        sources = [Counted(str(folder)) for _ in range(count)]
        talks = [make_conversation(load_family("embedded")) for _ in range(count)]

        def run(trainer: Any, sources: Any = sources, talks: Any = talks) -> dict[str, str]:
            rank = trainer.global_rank
            return screened(sources[rank], talks[rank], MOST, trainer)

        assert ranks.run(run) == [expected] * count
        looked = [source.looked for source in sources]
        assert sum(looked) == rows
        assert max(looked) - min(looked) <= 1


class Damaged(Plain):
    """Good as far as a look tells; the rows of ``bad`` can't be decoded."""

    def look(self, index: int) -> Any:
        return Plain(len(self)).look(index)


@pytest.mark.parametrize(("most", "steps"), [(0, 1), (1, 2), (None, 4)])
def test_what_only_decoding_finds_stops_the_run_where_more_than_allowed_are_drawn(
    tmp_path: Path, most: int | None, steps: int
) -> None:
    """Batches of two: the first holds one bad row, the second one more."""
    source = Damaged(8, bad=[1, 2, 5])
    data = make_data(source, max_bad_rows=most, shuffle=False)
    trainer = make_trainer(tmp_path, make_rollout())
    if most is None:
        trainer.fit(make_module(), datamodule=data)
        assert trainer.global_step == 4
        return
    with pytest.raises(RunStopped) as stop:
        trainer.fit(make_module(), datamodule=data)
    bad = "1 bad row" if most == 0 else f"{most + 1} bad rows"
    names = ", ".join(f"plain-{index}" for index in [1, 2, 5][: most + 1])
    assert str(stop.value) == (
        f"data.max_bad_rows: data.train has had {bad}, which is more than {most}. "
        f"made so: {most + 1} ({names})"
    )
    assert trainer.global_step == steps - 1
    assert list(tmp_path.rglob("stopped.ckpt"))


def test_rows_that_were_known_before_count_once(tmp_path: Path) -> None:
    """As many as are allowed were found before training; drawn, they are the same ones."""
    data = make_data(Plain(8, bad=[1, 2]), max_bad_rows=2, shuffle=False)
    trainer = make_trainer(tmp_path, make_rollout())
    trainer.fit(make_module(), datamodule=data)
    assert trainer.global_step == 4


class Order(Callback):
    """Notes what comes when."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        self.calls.append(stage)


class Noted(Plain):
    """Two rows; notes when one of them is looked at."""

    def __init__(self, calls: list[str]) -> None:
        super().__init__(2)
        self._calls = calls

    def look(self, index: int) -> Any:
        self._calls.append("look")
        return Plain(2).look(index)


def test_with_a_validation_first_rows_are_looked_at_before_it_and_once(tmp_path: Path) -> None:
    order, rollout = Order(), make_rollout()
    data = make_data(Noted(order.calls), max_bad_rows=0)
    trainer, module = make_trainer(tmp_path, order, rollout), make_module()
    rollout.fit_follows()
    trainer.validate(module, datamodule=data, verbose=False)
    trainer.fit(module, datamodule=data)
    assert order.calls == ["validate", "look", "look", "fit"]


def test_a_plain_validation_looks_at_no_training_row(tmp_path: Path) -> None:
    data = make_data(Plain(8, bad=[1]), max_bad_rows=0)
    make_trainer(tmp_path, make_rollout()).validate(make_module(), datamodule=data, verbose=False)
