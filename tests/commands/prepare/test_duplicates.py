"""Which samples duplicate an earlier one."""

from dataclasses import replace

from visionthink_pl.commands.prepare.duplicates import Seen
from visionthink_pl.commands.prepare.examine import examine
from visionthink_pl.data import LookCloser
from visionthink_pl.types import UnreadableSample, VQASample

FIRST, OTHER = LookCloser(40)[0], LookCloser(40)[20]


def one_pixel_changed(sample: VQASample) -> VQASample:
    image = sample.images[0].copy()
    image.putpixel((50, 50), tuple(255 - value for value in image.getpixel((50, 50))))
    return replace(sample, id="one pixel changed", images=(image,))


def found(near: int | None, *samples: VQASample | UnreadableSample) -> list[str | None]:
    """For each sample, the id of the one that it repeats."""
    seen, out = Seen(near), []
    for index, sample in enumerate(samples):
        row = examine(index, sample, seen)
        seen.add([row])
        out.append(row.duplicate_of)
    return out


def test_the_same_pixels_and_question_are_a_duplicate() -> None:
    copy = replace(FIRST, id="copy", images=(FIRST.images[0].copy(),))
    assert found(None, FIRST, OTHER, copy) == [None, None, FIRST.id]


def test_another_question_about_the_same_image_is_none() -> None:
    assert found(None, FIRST, replace(FIRST, id="b", question="How many?")) == [None, None]
    assert found(10, FIRST, replace(FIRST, id="b", question="How many?")) == [None, None]


def test_the_same_pixels_in_another_shape_are_none() -> None:
    blank = [FIRST.images[0].resize(size) for size in ((8, 4), (4, 8))]
    wide, tall = (replace(FIRST, images=(image.point(lambda _: 7),)) for image in blank)
    assert wide.images[0].tobytes() == tall.images[0].tobytes()
    assert found(None, wide, tall) == [None, None]


def test_near_duplicates_are_found_only_if_asked_for() -> None:
    changed = one_pixel_changed(FIRST)
    assert found(None, FIRST, changed) == [None, None]
    assert found(2, FIRST, changed) == [None, FIRST.id]


def test_different_images_are_not_near() -> None:
    assert FIRST.question == OTHER.question
    assert found(2, FIRST, OTHER) == [None, None]


def test_a_duplicate_names_the_first_sample() -> None:
    changed = one_pixel_changed(FIRST)
    assert found(2, FIRST, changed, changed) == [None, FIRST.id, FIRST.id]


def test_an_unreadable_sample_is_no_duplicate() -> None:
    bad = UnreadableSample("bad", "no image")
    assert found(2, bad, bad, FIRST) == [None, None, None]
    row = examine(3, bad, Seen(2))
    assert (row.id, row.unreadable, row.to_roll_out) == ("bad", "no image", False)


def test_what_the_published_format_can_t_hold_is_left_out() -> None:
    several = replace(FIRST, id="two", images=FIRST.images * 2)
    rows = [replace(FIRST, id="silent", question=" "), replace(FIRST, id="open", answer="")]
    found = [examine(0, sample, Seen(None)).unreadable for sample in (several, *rows, FIRST)]
    reason = "several images: 2; the published format holds one"
    assert found == [reason, "empty question", "no answer", None]
