"""Decoding to upright RGB, the pixel limits, the first views."""

import io
from pathlib import Path

import pytest
from PIL import Image

from visionthink_pl.images import FullView, HalfView, ImageDecodeError, PixelLimits, decode
from visionthink_pl.types import ConfigError, VQASample

ORIENTATION = 0x0112  # EXIF tag
LIMITS = PixelLimits(min_pixels=100, max_pixels=200)


def sample_of(image: Image.Image) -> VQASample:
    return VQASample("a", "?", "7", (image,), "digit")


def saved(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def palette(transparent: int | None) -> bytes:
    """Two pixels of a palette image: index 0 is red, index 1 is blue."""
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    return saved(image, **({} if transparent is None else {"transparency": transparent}))


def palette_with_alpha() -> bytes:
    """Two pixels of a palette image: index 0 is red, index 1 is blue at a fifth."""
    return saved(Image.open(io.BytesIO(palette(None))), transparency=bytes([255, 51]))


def two_pixels(mode: str, left: object, right: object) -> Image.Image:
    image = Image.new(mode, (2, 1), left)  # type: ignore[arg-type]
    image.putpixel((1, 0), right)  # type: ignore[arg-type]
    return image


MODES = [
    (saved(two_pixels("1", 0, 1)), [(0, 0, 0), (255, 255, 255)], "black and white"),
    (saved(two_pixels("L", 0, 90)), [(0, 0, 0), (90, 90, 90)], "greyscale"),
    (
        saved(two_pixels("LA", (90, 255), (90, 0))),
        [(90, 90, 90), (255, 255, 255)],
        "greyscale and alpha: what is transparent is white",
    ),
    (palette(None), [(255, 0, 0), (0, 0, 255)], "palette"),
    (palette(1), [(255, 0, 0), (255, 255, 255)], "palette with a transparent colour"),
    (
        palette_with_alpha(),
        [(255, 0, 0), (204, 204, 255)],  # a fifth of blue and four fifths of white
        "palette whose colours have alpha of their own: mixed with white",
    ),
    (
        saved(two_pixels("RGBA", (200, 0, 0, 255), (200, 0, 0, 51))),
        [(200, 0, 0), (244, 204, 204)],  # a fifth of (200, 0, 0) and four fifths of white
        "alpha: half-transparent pixels are mixed with white",
    ),
    (
        saved(two_pixels("RGB", (1, 2, 3), (4, 5, 6)), transparency=(4, 5, 6)),
        [(1, 2, 3), (255, 255, 255)],
        "RGB with a transparent colour",
    ),
    (
        saved(two_pixels("CMYK", (0, 0, 0, 0), (0, 255, 255, 0)), "TIFF"),
        [(255, 255, 255), (255, 0, 0)],
        "CMYK: no ink is white, magenta and yellow are red",
    ),
    (
        saved(two_pixels("I;16", 65535, 90 * 257)),
        [(255, 255, 255), (90, 90, 90)],
        "16-bit greyscale: scaled, where Pillow would clip at 255",
    ),
    (
        saved(two_pixels("L", 7, 8), "GIF", save_all=True, append_images=[Image.new("L", (2, 1))]),
        [(7, 7, 7), (8, 8, 8)],
        "an animation: its first frame",
    ),
]


@pytest.mark.parametrize(("data", "pixels", "why"), MODES, ids=[row[2] for row in MODES])
def test_modes(data: bytes, pixels: list[tuple[int, int, int]], why: str) -> None:
    image = decode(data)
    assert image.mode == "RGB" and image.size == (2, 1)
    assert [image.getpixel((x, 0)) for x in (0, 1)] == pixels, why


@pytest.mark.parametrize(("mode", "value"), [("I", 200), ("F", 0.5)])
def test_grey_without_a_fixed_white_is_unreadable(mode: str, value: float) -> None:
    with pytest.raises(ImageDecodeError, match="32-bit greyscale has no fixed white"):
        decode(saved(two_pixels(mode, value, value), "TIFF"))


def test_path_bytes_and_image_are_the_same(tmp_path: Path) -> None:
    original = two_pixels("RGBA", (200, 0, 0, 255), (0, 0, 0, 0))
    path = tmp_path / "image.png"
    path.write_bytes(saved(original))
    expected = decode(path).tobytes()
    assert expected == bytes([200, 0, 0, 255, 255, 255])
    assert decode(path.read_bytes()).tobytes() == expected
    assert decode(original).tobytes() == expected


def test_exif_orientation_rotates() -> None:
    # Orientation 6: to be turned by 90 degrees clockwise, so left comes to the top.
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image = decode(saved(two_pixels("RGB", (255, 0, 0), (0, 0, 255)), exif=exif))
    assert image.size == (1, 2)
    assert [image.getpixel((0, y)) for y in (0, 1)] == [(255, 0, 0), (0, 0, 255)]
    assert decode(image).size == (1, 2)  # once upright, it stays


def test_orientation_is_applied_to_palette_images_too() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 3  # upside down
    turned = Image.open(io.BytesIO(palette(None)))
    image = decode(saved(turned, exif=exif))
    assert [image.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 255), (255, 0, 0)]


NOISE = Image.effect_noise((64, 64), 50)
UNDECODABLE = [
    (saved(NOISE)[:-1000], "a truncated PNG"),
    (saved(NOISE, "JPEG")[:-1000], "a truncated JPEG"),
    (saved(NOISE)[:20], "a header and no more"),
    (b"GIF89a", "a signature and no more"),
    (b"not an image", "some other file"),
    (b"", "an empty file"),
]


@pytest.mark.parametrize(("data", "why"), UNDECODABLE, ids=[row[1] for row in UNDECODABLE])
def test_undecodable(data: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(ImageDecodeError, match="can't decode the image: ."):
            decode(source)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageDecodeError, match="missing.png"):
        decode(tmp_path / "missing.png")
    with pytest.raises(ImageDecodeError):
        decode(tmp_path)


# Above its limit Pillow warns, above twice the limit it refuses.
TOO_LARGE = [
    ((20_000, 10_000), r"too many pixels: .*200000000 pixels.* At most 89478485 are decoded"),
    ((10_000, 10_000), "too many pixels: 10000 x 10000; at most 89478485 are decoded"),
]


@pytest.mark.parametrize(("size", "reason"), TOO_LARGE, ids=["200 megapixels", "100 megapixels"])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels_are_refused_and_the_reason_tells_how_many(
    size: tuple[int, int], reason: str
) -> None:
    with pytest.raises(ImageDecodeError, match=reason):
        decode(saved(Image.new("1", size)))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_as_many_pixels_as_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4096)
    assert decode(saved(NOISE)).size == (64, 64)
    with pytest.raises(ImageDecodeError, match="65 x 64; at most 4096"):
        decode(saved(NOISE.resize((65, 64))))


def test_what_a_decoder_raises_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(image: Image.Image) -> None:
        raise RuntimeError("Failed to decode image")  # as Pillow's AVIF decoder does

    monkeypatch.setattr(Image.Image, "load", load)
    with pytest.raises(ImageDecodeError, match="Failed to decode image"):
        decode(Image.new("RGB", (2, 1)))


# size, size within 100 to 200 pixels
LIMITED = [
    ((10, 10), (10, 10), "at the lower limit: left alone"),
    ((20, 10), (20, 10), "at the upper limit: left alone"),
    ((3, 50), (3, 50), "between: left alone, however narrow"),
    ((20, 20), (14, 14), "shrunk by sqrt(1/2) and rounded down"),
    ((80, 40), (20, 10), "shrunk to exactly the upper limit"),
    ((5, 5), (10, 10), "enlarged to exactly the lower limit"),
    ((4, 8), (8, 15), "enlarged by 1.77 and rounded up"),
    ((1, 1), (10, 10), "one pixel"),
    ((1, 201), (1, 200), "a side of one pixel stays"),
]


@pytest.mark.parametrize(("size", "expected", "why"), LIMITED)
def test_limits(size: tuple[int, int], expected: tuple[int, int], why: str) -> None:
    image = Image.new("RGB", size)
    limited = LIMITS.apply(image)
    assert limited.size == expected, why
    assert (limited is image) == (size == expected)


def test_default_limits_hold_for_ordinary_shapes() -> None:
    limits = PixelLimits()
    assert (limits.min_pixels, limits.max_pixels) == (784, 1003520)
    sides = [5, 28, 55, 57, 88, 333, 1001, 1003, 1500, 3001]
    for size in [(width, height) for width in sides for height in sides]:
        width, height = limits.apply(Image.new("L", size)).size
        assert 784 <= width * height <= 1003520, size


@pytest.mark.parametrize(
    ("lower", "upper"), [(0, 10), (-1, 10), (11, 10)], ids=["zero", "negative", "swapped"]
)
def test_limits_that_cannot_work(lower: int, upper: int) -> None:
    with pytest.raises(ConfigError, match="min_pixels"):
        PixelLimits(lower, upper)


@pytest.mark.parametrize(
    ("size", "expected", "why"),
    [
        ((112, 112), (56, 56), "half"),
        ((113, 57), (56, 28), "odd sides are rounded down"),
        ((1, 9), (1, 4), "a side of one pixel stays"),
        ((9, 1), (4, 1), "the other side of one pixel"),
        ((1, 1), (1, 1), "one pixel"),
    ],
)
def test_half_view(size: tuple[int, int], expected: tuple[int, int], why: str) -> None:
    image = Image.new("RGB", size)
    assert HalfView().first(image, sample_of(image)).size == expected, why


def test_88_by_34_is_used_as_it_is() -> None:
    image = decode(saved(Image.new("RGB", (88, 34))))
    assert PixelLimits().apply(image) is image
    assert HalfView().first(image, sample_of(image)).size == (44, 17)


def test_full_view_is_the_image() -> None:
    image = Image.new("RGB", (5, 5))
    assert FullView().first(image, sample_of(image)) is image


def test_a_strip_that_no_family_takes_is_refused_and_the_narrowest_allowed_is_not() -> None:
    assert decode(Image.new("RGB", (100, 2))).size == (100, 2)
    with pytest.raises(ImageDecodeError, match="101 x 2 pixels"):
        decode(Image.new("RGB", (101, 2)))
