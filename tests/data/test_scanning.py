"""Looking at many rows in several threads, and what a look at a row says of its images."""

import io
import json
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from table_helpers import write_jsonl, write_parquet
from visionthink_pl.data import Columns, ImageFolder, LookCloser, Source, VQADataset, look_at
from visionthink_pl.data.scanning import CHUNK
from visionthink_pl.data.source import Look, stamp
from visionthink_pl.images import ImageDecodeError, decode
from visionthink_pl.types import UnreadableSample, VQASample


@pytest.mark.parametrize("count", [0, 1, CHUNK, CHUNK + 1, 5 * CHUNK + 3])
def test_every_row_once_and_in_order(count: int) -> None:
    rows = [7 * row for row in range(count)]
    assert list(look_at(rows, lambda row: -row)) == [(row, -row) for row in rows]


def test_several_threads_take_part() -> None:
    both = threading.Barrier(2, timeout=20)  # seconds; one thread alone would wait in vain
    rows = [*range(2 * CHUNK)]
    assert len(list(look_at(rows, lambda row: both.wait() if row % CHUNK == 0 else 0))) == 64


def test_a_fault_of_a_source_comes_out_and_ends_the_rest() -> None:
    seen: list[int] = []

    def look(row: int) -> None:
        seen.append(row)
        if row == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(look_at(range(1000 * CHUNK), look))
    assert len(seen) < 1000 * CHUNK


NOISE = Image.effect_noise((64, 48), 50).convert("RGB")


def saved(
    image: Image.Image = NOISE, form: str = "JPEG", orientation: int = 0, **options: Any
) -> bytes:
    if orientation:
        options["exif"] = Image.Exif()
        options["exif"][ExifTags.Base.Orientation] = orientation
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def xmp(form: str, orientation: int) -> bytes:
    """An orientation that stands in XMP, not in EXIF."""
    text = f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'
    if form != "PNG":
        return saved(form=form, xmp=text.encode())
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", text)
    return saved(form=form, pnginfo=info)


def grey(mode: str, value: float, form: str = "TIFF") -> bytes:
    return saved(Image.new(mode, (6, 4), value), form)


def sized(width: int, height: int, **options: Any) -> bytes:
    return saved(Image.new("L", (width, height)), **options)


# Bytes of an image; the look at it and decoding it must come to the same.
SAME = {
    "JPEG": saved(),
    "progressive JPEG": saved(progressive=True),
    "JPEG on its side": saved(orientation=6),
    "JPEG upside down": saved(orientation=3),
    "JPEG, mirrored and on its side": saved(orientation=5),
    "JPEG, an orientation that is none": saved(orientation=9),
    "JPEG on its side by XMP": xmp("JPEG", 8),
    "CMYK JPEG": saved(NOISE.convert("CMYK")),
    "several pictures in one JPEG file": saved(form="MPO", save_all=True, append_images=[NOISE]),
    "JPEG cut off": saved()[:-100],
    "JPEG that lacks its last byte": saved()[:-1],
    "JPEG with something behind its end": saved() + b"a camera's own data",
    "JPEG cut off, filled up with zeros": saved()[:-200] + bytes(200),
    "the header of a JPEG": saved()[:200],
    "the first bytes of a JPEG": saved()[:3],
    "PNG": saved(form="PNG"),
    "PNG on its side": saved(form="PNG", orientation=6),
    "PNG on its side by XMP": xmp("PNG", 6),
    "PNG cut off": saved(form="PNG")[:-100],
    "PNG that lacks its last byte": saved(form="PNG")[:-1],
    "PNG with something behind its end": saved(form="PNG") + b"more",
    "the header of a PNG": saved(form="PNG")[:40],
    "palette PNG": saved(NOISE.convert("P"), "PNG"),
    "PNG with a palette and transparency": saved(NOISE.convert("P"), "PNG", transparency=3),
    "16-bit PNG": grey("I;16", 4000, "PNG"),
    "WebP": saved(form="WEBP"),
    "WebP without loss": saved(form="WEBP", lossless=True),
    "WebP on its side": saved(form="WEBP", orientation=8),
    "WebP cut off": saved(form="WEBP")[:-100],
    "WebP that lacks its last bytes": saved(form="WEBP")[:-2],
    "animated WebP": saved(form="WEBP", save_all=True, append_images=[NOISE.rotate(9)]),
    "GIF": saved(form="GIF"),
    "animated GIF": saved(form="GIF", save_all=True, append_images=[NOISE.rotate(9)]),
    "GIF cut off": saved(form="GIF")[:-500],
    "BMP": saved(form="BMP"),
    "BMP cut off": saved(form="BMP")[:-100],
    "TIFF": saved(form="TIFF"),
    "TIFF on its side": saved(form="TIFF", orientation=6),
    "32-bit grey": grey("I", 7),
    "grey in floats": grey("F", 0.5),
    "AVIF": saved(form="AVIF"),
    "50 times as long as wide": sized(100, 2, form="PNG"),
    "more than 50 times as long as wide": sized(101, 2, form="PNG"),
    "more than 50 times as wide as long": sized(2, 101),
    "too narrow, on its side": sized(2, 101, orientation=6),
    "text": b"not an image",
    "nothing": b"",
}


def read_folder(folder: Path, data: bytes) -> Source:
    (folder / "image").write_bytes(data)
    row = {"image": "image", "question": "What?", "answer": "7"}
    (folder / "questions.jsonl").write_text(json.dumps(row))
    return ImageFolder(str(folder))


def read_parquet(folder: Path, data: bytes) -> Source:
    row = {"image": {"bytes": data, "path": None}, "question": "What?", "answer": "7"}
    return VQADataset(write_parquet(folder / "rows.parquet", [row]))


def read_jsonl(folder: Path, data: bytes) -> Source:
    (folder / "image").write_bytes(data)
    row = {"image": str(folder / "image"), "question": "What?", "answer": "7"}
    return VQADataset(write_jsonl(folder / "rows.jsonl", [row]))


def told(row: VQASample | UnreadableSample) -> str | list[tuple[int, int]]:
    """Its sizes, or what it is a bad row for: decoders word it differently as they are asked."""
    if isinstance(row, UnreadableSample):
        return row.reason.partition(":")[0]
    return [image.size for image in row.images]


def seen(look: Look) -> str | list[tuple[int, int]]:
    if isinstance(look.row, UnreadableSample):
        return look.row.reason.partition(":")[0]
    assert look.row.images == ()
    return [(size.width, size.height) for size in look.sizes]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("read", [read_folder, read_parquet])
@pytest.mark.parametrize("what", SAME)
def test_a_look_comes_to_what_decoding_comes_to(what: str, read: Any, tmp_path: Path) -> None:
    source = read(tmp_path, SAME[what])
    assert seen(source.look(0)) == told(source[0])


def test_most_of_these_are_told_by_what_they_are() -> None:
    """The table above would be met by a look at nothing that calls all images alike."""
    outcomes = [str(told(read)) for read in map(decoded, SAME.values())]
    assert {"[(64, 48)]", "[(48, 64)]", "can't decode the image", "too narrow"} <= set(outcomes)
    assert outcomes.count("can't decode the image") >= 8


def decoded(data: bytes) -> VQASample | UnreadableSample:
    try:
        return VQASample("a", "?", "7", (decode(data),), "k")
    except ImageDecodeError as error:
        return UnreadableSample("a", str(error))


def damaged() -> bytes:
    """A PNG whose pixels are spoilt in the middle, its ends as they were."""
    good = saved(form="PNG")
    middle = len(good) // 2
    return good[:middle] + bytes(400) + good[middle + 400 :]


def late_orientation() -> bytes:
    """A PNG that tells behind its pixels that it lies on its side."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    good, text = saved(form="PNG"), exif.tobytes()[6:]
    chunk = b"eXIf" + text
    ending = len(good) - 12  # the last chunk
    whole = len(text).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    return good[:ending] + whole + good[ending:]


def test_what_only_decoding_finds(tmp_path: Path) -> None:
    """The negative control of the table above, and the whole list of docs/data.md."""
    source = read_parquet(tmp_path, damaged())
    assert seen(source.look(0)) == [(64, 48)]
    assert told(source[0]) == "can't decode the image"
    source = read_folder(tmp_path, late_orientation())
    assert seen(source.look(0)) == [(64, 48)]
    assert told(source[0]) == [(48, 64)]


def test_a_photograph_is_looked_at_without_being_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [read(tmp_path, saved(orientation=6)) for read in (read_folder, read_parquet)]
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("decoded"))
    for source in (*sources, read_jsonl(tmp_path, saved(form="PNG"))):
        assert seen(source.look(0)) in ([(48, 64)], [(64, 48)])


def test_of_bytes_in_a_table_only_the_ends_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.effect_noise((2000, 1500), 60).convert("RGB")
    data = saved(image, quality=95)
    read: list[int] = []

    class Counted(io.BufferedReader):
        def read(self, size: int | None = -1) -> bytes:
            found = super().read(size)
            read.append(len(found))
            return found

    monkeypatch.setattr("visionthink_pl.data.arrow.io.BufferedReader", Counted)
    assert seen(read_parquet(tmp_path, data).look(0)) == [(2000, 1500)]
    assert 0 < sum(read) < len(data) / 10


def rows_of(folder: Path, *rows: dict[str, Any], columns: Columns) -> Sequence[tuple[Any, Any]]:
    source = VQADataset(write_parquet(folder / "rows.parquet", list(rows)), columns)
    return [(source.look(i), source[i]) for i in range(len(source))]


def test_lists_and_columns_of_images_and_all_texts_are_as_they_are_read(tmp_path: Path) -> None:
    first, second = ({"bytes": saved(orientation=o), "path": None} for o in (0, 6))
    good = {
        "question": "<image> or <image>?",
        "images": [first, second],
        "answer": ["a", "b", "b"],
        "options": ["a", "b"],
        "info": {"kind": "k", "deep": second},
    }
    columns = Columns(
        images="images", answer="answer", choices="options", kind="info.kind", id="question"
    )
    rows = [
        good,
        good | {"answer": ["c"]},
        good | {"images": []},
        good | {"images": [first, None]},
        good | {"question": "<image>?"},
        good | {"images": [first, {"bytes": None, "path": "nowhere.png"}]},
    ]
    for look, row in rows_of(tmp_path, *rows, columns=columns):
        assert seen(look) == told(row)
        if isinstance(row, VQASample):
            assert (look.row.question, look.row.answer) == (row.question, row.answer)
            assert (look.row.id, look.row.kind) == (row.id, row.kind)
    deep = Columns(images="info.deep", answer="info.kind")
    ((look, row),) = rows_of(tmp_path, good | {"question": "?"}, columns=deep)
    assert seen(look) == told(row) == [(48, 64)]


def test_a_look_tells_of_the_files_it_was_at(tmp_path: Path) -> None:
    good = saved()
    assert read_folder(tmp_path, good).look(0).files == (stamp(tmp_path / "image"),)
    assert read_jsonl(tmp_path, good).look(0).files == (stamp(tmp_path / "image"),)
    assert read_parquet(tmp_path, good).look(0).files == ()
    assert stamp(tmp_path / "image")[1] == len(good)
    assert stamp(tmp_path / "nowhere") == (str(tmp_path / "nowhere"), -1, -1)


def test_a_source_that_knows_no_short_cut_is_read_whole() -> None:
    source = LookCloser(3)
    look = source.look(1)
    assert seen(look) == told(source[1]) == [(112, 112)]
    assert source.origin is None
