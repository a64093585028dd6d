"""The drawn data set: the same for ever, and half of it needs the full image."""

from collections import Counter

import pytest
from PIL import ImageStat

from visionthink_pl.data.lookcloser import (
    COLOURS,
    DIGITS,
    LETTERS,
    QUESTIONS,
    SHAPES,
    SIZE,
    LookCloser,
)
from visionthink_pl.types import ConfigError

CYCLE = 20  # samples that the default mix holds

ANSWERS = {
    "colour": set(COLOURS),
    "shape": set(SHAPES),
    "count": {"1", "2", "3", "4"},
    "digit": set(DIGITS),
    "letter": set(LETTERS),
    "print": set(DIGITS),
}

# index, kind, answer, mean RGB (0 to 255): a drawing that changes makes published runs and the
# embedded model's training set a different one.
PINNED = [
    (0, "colour", "black", (172.7, 178.3, 172.0)),
    (2, "shape", "square", (157.6, 165.8, 150.1)),
    (5, "count", "3", (214.3, 213.3, 177.4)),
    (6, "digit", "7", (202.5, 213.1, 197.6)),
    (9, "letter", "K", (216.8, 224.6, 235.2)),
    (12, "print", "7", (240.7, 241.1, 244.5)),
    (13, "print", "9", (237.3, 240.4, 241.1)),
    (42, "shape", "triangle", (194.1, 183.3, 186.4)),
    (43, "shape", "cross", (222.0, 188.6, 219.4)),
]

# index, bounding box of the glyph's dark pixels (left, upper, right, lower): what and where.
GLYPHS = [
    (6, (13, 91, 19, 99)),  # small print on a tag
    (9, (10, 13, 16, 22)),
    (12, (34, 36, 62, 76)),  # large print on a card
    (13, (41, 90, 47, 99)),  # small print on a card
]


def pixels(source: LookCloser, count: int = CYCLE) -> list[bytes]:
    return [source[index].images[0].tobytes() for index in range(count)]


@pytest.mark.parametrize(("index", "kind", "answer", "mean"), PINNED)
def test_pinned(index: int, kind: str, answer: str, mean: tuple[float, float, float]) -> None:
    sample = LookCloser()[index]
    assert (sample.kind, sample.answer) == (kind, answer)
    # Another FreeType may shade the edge of a glyph differently, never by this much.
    assert ImageStat.Stat(sample.images[0]).mean == pytest.approx(mean, abs=0.15)


@pytest.mark.parametrize(("index", "box"), GLYPHS)
def test_pinned_glyphs(index: int, box: tuple[int, int, int, int]) -> None:
    grey = LookCloser()[index].images[0].convert("L")
    found = grey.point(lambda value: 255 if value < 70 else 0).getbbox()
    assert found == pytest.approx(box, abs=1)


def test_pinned_large_and_small_print_are_one_of_each() -> None:
    source = LookCloser()
    assert [source[index].needs_second_look for index in (12, 13)] == [False, True]


def test_same_index_and_seed_give_the_same_sample() -> None:
    first, second = LookCloser(), LookCloser(length=50)
    assert pixels(first) == pixels(second)  # the length plays no part
    for index in range(CYCLE):
        assert first[index] is not first[index]  # drawn anew
        assert first[index].id == second[index].id == f"lookcloser-train-0-{index}"
        assert first[index].answer == second[index].answer


def test_other_split_or_seed_gives_other_drawings() -> None:
    sources = [LookCloser(), LookCloser(split="validation"), LookCloser(seed=1)]
    drawn = [image for source in sources for image in pixels(source, 200)]
    assert len(set(drawn)) == 600
    assert len({source[0].id for source in sources}) == 3


def test_the_mix_is_half_and_half() -> None:
    source = LookCloser(length=100 * CYCLE)
    samples = [source[index] for index in range(len(source))]
    counts = Counter(sample.kind for sample in samples)
    expected = {"colour": 2, "shape": 2, "count": 2, "digit": 3, "letter": 3, "print": 8}
    assert counts == {kind: 100 * count for kind, count in expected.items()}
    needs = {
        kind: sum(sample.needs_second_look is True for sample in samples if sample.kind == kind)
        for kind in counts
    }
    assert [needs[kind] for kind in ("colour", "shape", "count")] == [0, 0, 0]
    assert [needs[kind] for kind in ("digit", "letter")] == [300, 300]
    assert needs["print"] == 400


@pytest.mark.parametrize("mix", [None, {"print": 1}, {"colour": 1, "print": 1}, {"print": 3}])
def test_every_cycle_is_balanced(mix: dict[str, int] | None) -> None:
    source = LookCloser(length=240, mix=mix)
    size = CYCLE if mix is None else sum(mix.values())
    samples = [source[index] for index in range(240)]
    prints = [sample.needs_second_look for sample in samples if sample.kind == "print"]
    assert prints == [False, True] * (len(prints) // 2)  # in turn, across cycles too
    kinds = [sample.kind for sample in samples]
    assert kinds == kinds[:size] * (240 // size)


def test_only_the_mixed_question_is_split_further() -> None:
    source = LookCloser(length=4 * CYCLE)
    for sample in (source[index] for index in range(len(source))):
        split = {True: ("needs_second_look",), False: ("first_look_suffices",)}
        assert sample.needs_second_look is not None
        is_print = sample.kind == "print"
        assert sample.extra_kinds == (split[sample.needs_second_look] if is_print else ())
        assert {sample.kind, *sample.extra_kinds} <= set(source.kinds)


@pytest.mark.parametrize("kind", QUESTIONS)
def test_questions_answers_and_image(kind: str) -> None:
    source = LookCloser(length=300, mix={kind: 1})
    samples = [source[index] for index in range(len(source))]
    assert {sample.question for sample in samples} == {QUESTIONS[kind]}
    assert {sample.answer for sample in samples} == ANSWERS[kind]  # each of them, at most ten
    assert len(ANSWERS[kind]) <= 10
    assert {sample.images[0].size for sample in samples} == {(SIZE, SIZE)}
    assert {sample.images[0].mode for sample in samples} == {"RGB"}


def test_kinds() -> None:
    split = ("needs_second_look", "first_look_suffices")
    assert LookCloser().kinds == (*QUESTIONS, *split)
    assert LookCloser(mix={"digit": 1, "colour": 2}).kinds == ("digit", "colour")
    assert LookCloser(mix={"digit": 1, "print": 0}).kinds == ("digit",)
    assert LookCloser(mix={"print": 1}).kinds == ("print", *split)


def test_mix_is_a_cycle() -> None:
    source = LookCloser(length=6, mix={"digit": 1, "colour": 2, "print": 0})
    asked = [source[index].kind for index in range(6)]
    assert asked == ["digit", "colour", "colour"] * 2


def test_length_and_index() -> None:
    source = LookCloser(length=3)
    assert len(source) == 3
    assert source[2].id.endswith("-2")
    for index in (3, -1):
        with pytest.raises(IndexError, match=f"sample {index} of 3"):
            source[index]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"mix": {"color": 1}}, "no kind 'color'; the kinds are colour"),
        ({"mix": {}}, "one above 0"),
        ({"mix": {"digit": 0}}, "one above 0"),
        ({"mix": {"digit": 1, "print": -1}}, "LookCloser.mix: counts"),
    ],
)
def test_settings_that_cannot_work(setting: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LookCloser(**setting)
