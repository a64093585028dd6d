"""Pixels of files written here byte by byte, against what their formats say they are."""

import io
import struct
import zlib
from collections.abc import Sequence

import pytest
from PIL import Image

from visionthink_pl.images import ImageDecodeError, decode

Pixels = Sequence[tuple[int, int, int]]
GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6  # colour types of PNG
WHITE = (255, 255, 255)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def words(*values: int) -> bytes:
    """Values of 16 bits, the high byte first."""
    return struct.pack(f">{len(values)}H", *values)


def png(
    width: int,
    bits: int,
    colour: int,
    line: bytes,
    transparent: bytes | None = None,
    palette: bytes | None = None,
    more: bytes = b"",
) -> bytes:
    """One line of pixels as a PNG file."""
    header = struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), more]
    parts += [] if palette is None else [chunk(b"PLTE", palette)]
    parts += [] if transparent is None else [chunk(b"tRNS", transparent)]
    return b"".join([*parts, chunk(b"IDAT", zlib.compress(b"\0" + line)), chunk(b"IEND", b"")])


def grey(*values: int) -> Pixels:
    return [(value,) * 3 for value in values]


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def tiff(bits: int, white_is_zero: bool, line: bytes) -> bytes:
    """Two pixels of grey as a TIFF file, the low byte first."""
    entries = [(256, 2), (257, 1), (258, bits), (259, 1), (262, 0 if white_is_zero else 1)]
    entries += [(273, 8), (277, 1), (278, 1), (279, len(line))]
    line += b"\0" * (len(line) % 2)
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    directory = struct.pack("<H", len(entries)) + fields + b"\0\0\0\0"
    return b"II*\0" + struct.pack("<I", 8 + len(line)) + line + directory


RED_BLUE = b"\xff\0\0\0\0\xff"
SIXTEEN = words(0, 128, 129, 32768, 65535)  # of 65535: 0, 0.498, 0.502, 127.502 and 255 of 255
# The file, its pixels, and why they are these. A fifth of opacity is 51 of 255, so that four
# fifths are white.
FILES = [
    (png(5, 16, GREY, SIXTEEN), grey(0, 0, 1, 128, 255), "16 bits of grey: rounded"),
    (png(5, 16, GREY, SIXTEEN, words(0)), grey(255, 0, 1, 128, 255), "16 bits, black transparent"),
    (
        png(5, 16, GREY, SIXTEEN, words(128)),
        grey(0, 255, 1, 128, 255),
        "16 bits, a value below 256",
    ),
    (
        png(5, 16, GREY, SIXTEEN, words(129)),
        grey(0, 0, 255, 128, 255),
        "16 bits: all of them count",
    ),
    (
        png(5, 16, GREY, SIXTEEN, words(32768)),
        grey(0, 0, 1, 255, 255),
        "16 bits, a value above 255",
    ),
    (png(5, 16, GREY, SIXTEEN, words(7)), grey(0, 0, 1, 128, 255), "16 bits, a value of no pixel"),
    (png(2, 8, GREY, b"\5\6", words(5)), grey(255, 6), "8 bits of grey"),
    (png(2, 8, GREY, b"\5\6", words(0x105)), grey(255, 6), "8 bits: higher ones say nothing"),
    (png(2, 4, GREY, b"\x5a", words(5)), grey(255, 170), "4 bits: 5 of 15 is 85 of 255"),
    (png(2, 4, GREY, b"\x5a", words(10)), grey(85, 255), "4 bits, the other value"),
    (png(2, 4, GREY, b"\x5a"), grey(85, 170), "4 bits, nothing transparent"),
    (png(4, 2, GREY, b"\x1b", words(0)), grey(255, 85, 170, 255), "2 bits: black"),
    (png(4, 2, GREY, b"\x1b", words(1)), grey(0, 255, 170, 255), "2 bits: 1 of 3 is 85 of 255"),
    (png(4, 2, GREY, b"\x1b", words(2)), grey(0, 85, 255, 255), "2 bits: 2 of 3"),
    (png(2, 1, GREY, b"\x40", words(0)), grey(255, 255), "1 bit, black transparent"),
    (png(2, 1, GREY, b"\x40", words(1)), grey(0, 255), "1 bit, white transparent"),
    (png(2, 1, GREY, b"\x40"), grey(0, 255), "1 bit, nothing transparent"),
    (png(2, 8, COLOUR, b"\1\2\3\4\5\6", bytes([0, 4, 0, 5, 0, 6])), [(1, 2, 3), WHITE], "a colour"),
    (
        png(2, 8, COLOUR, b"\1\2\3\1\2\4", bytes([0, 1, 0, 2, 0, 3])),
        [WHITE, (1, 2, 4)],
        "a colour: all of its samples count",
    ),
    (
        png(2, 16, COLOUR, words(7, 8, 9, 1028, 1285, 1542), words(7, 8, 9)),
        [WHITE, (4, 5, 6)],
        "a colour of 16 bits, dark",
    ),
    (
        png(2, 16, COLOUR, words(257, 514, 771, 1028, 1285, 1542), words(1028, 1285, 1542)),
        [(1, 2, 3), WHITE],
        "a colour of 16 bits",
    ),
    (png(2, 8, GREY_ALPHA, b"\x07\xff\x07\x33"), grey(7, 205), "grey with alpha: 7/5 + 255*4/5"),
    (
        png(2, 16, GREY_ALPHA, words(7 * 257, 65535, 7 * 257, 0x3333)),
        grey(7, 205),
        "grey with alpha of 16 bits",
    ),
    (
        png(2, 16, COLOUR_ALPHA, words(200 * 257, 0, 0, 65535, 200 * 257, 0, 0, 0x3333)),
        [(200, 0, 0), (244, 204, 204)],
        "colours with alpha of 16 bits",
    ),
    (png(2, 1, PALETTE, b"\x40", b"\xff\0", RED_BLUE), [(255, 0, 0), WHITE], "a palette of 1 bit"),
    (
        png(4, 2, PALETTE, b"\x1b", b"\xff\0\x33", RED_BLUE + b"\0\0\xff\1\1\1"),
        [(255, 0, 0), WHITE, (204, 204, 255), (1, 1, 1)],
        "a palette of 2 bits, alpha for three of its colours",
    ),
    (
        png(2, 8, PALETTE, b"\0\1", b"\x33", RED_BLUE),
        [(255, 204, 204), (0, 0, 255)],
        "a palette of 8 bits, alpha for the first colour alone",
    ),
    (
        png(2, 4, GREY, b"\x5a", words(5), more=chunk(b"acTL", struct.pack(">II", 1, 0))),
        grey(255, 170),
        "an animated PNG: its first picture",
    ),
    (b"P5 3 1 65535\n" + words(65535, 90 * 257, 300), grey(255, 90, 1), "a PGM file of 16 bits"),
    (b"P5 2 1 4095\n" + words(4095, 300), grey(255, 19), "a PGM file of 12 bits: 300/4095*255"),
    (b"P2 2 1 65535\n65535 300\n", grey(255, 1), "the same as text"),
    (tiff(16, False, struct.pack("<2H", 300, 65535)), grey(1, 255), "a TIFF file of 16 bits"),
    (tiff(16, True, struct.pack("<2H", 300, 65535)), grey(254, 0), "the same, where 0 is white"),
    (tiff(12, False, b"\x12\xcf\xff"), grey(19, 255), "a TIFF file of 12 bits: 300 and 4095"),
    (tiff(8, True, b"\7\xff"), grey(248, 0), "a TIFF file of 8 bits, where 0 is white"),
    (b"P5 2 1 255\n\7\10", grey(7, 8), "a PGM file of 8 bits"),
    (
        b"P6 2 1 65535\n" + words(65535, 300, 0, 257, 514, 771),
        [(255, 1, 0), (1, 2, 3)],
        "a PPM file of 16 bits",
    ),
]


@pytest.mark.parametrize(("data", "pixels", "why"), FILES, ids=[row[2] for row in FILES])
def test_of_files(data: bytes, pixels: Pixels, why: str) -> None:
    image = decode(data)
    assert image.mode == "RGB" and image.height == 1
    assert [image.getpixel((x, 0)) for x in range(image.width)] == pixels, why


@pytest.mark.parametrize(("data", "pixels", "why"), FILES, ids=[row[2] for row in FILES])
def test_of_an_image_that_was_opened_elsewhere(data: bytes, pixels: Pixels, why: str) -> None:
    image = Image.open(io.BytesIO(data))
    for _ in range(2):  # the second time its pixels have been read
        seen = decode(image)
        assert [seen.getpixel((x, 0)) for x in range(seen.width)] == pixels, why


def made(mode: str, *values: object, **info: object) -> Image.Image:
    image = Image.new(mode, (len(values), 1))
    for x, value in enumerate(values):
        image.putpixel((x, 0), value)
    image.info |= info
    return image


def with_palette(mode: str, *values: object, **info: object) -> Image.Image:
    image = made(mode, *values, **info)
    image.putpalette(RED_BLUE)
    return image


# An image in memory, its pixels, and what it is.
IMAGES = [
    (made("1", 0, 255), grey(0, 255), "1 bit"),
    (made("L", 7, 8, transparency=8), grey(7, 255), "grey with a transparent value"),
    (made("LA", (7, 255), (7, 51)), grey(7, 205), "grey with alpha"),
    (with_palette("PA", (0, 255), (1, 51)), [(255, 0, 0), (204, 204, 255)], "palette and alpha"),
    (made("I;16", 65535, 300), grey(255, 1), "16 bits"),
    (made("I;16B", 65535, 300), grey(255, 1), "16 bits, the high byte first"),
    (made("I;16", 65535, 300, transparency=300), grey(255, 255), "16 bits, one transparent"),
    (made("RGBX", (1, 2, 3, 0)), [(1, 2, 3)], "a fourth sample that says nothing"),
    (made("CMYK", (0, 0, 0, 0), (0, 255, 255, 0)), [WHITE, (255, 0, 0)], "inks"),
    (made("RGB", (9, 9, 9)).convert("YCbCr"), [(9, 9, 9)], "luma and chroma"),
    (made("HSV", (0, 255, 255)), [(255, 0, 0)], "hue"),
]


@pytest.mark.parametrize(("image", "pixels", "why"), IMAGES, ids=[row[2] for row in IMAGES])
def test_of_images_in_memory(image: Image.Image, pixels: Pixels, why: str) -> None:
    seen = decode(image)
    assert [seen.getpixel((x, 0)) for x in range(seen.width)] == pixels, why


TURNED = [
    (saved(made("I;16", 65535, 300), "TIFF", tiffinfo={274: 3}), grey(1, 255), "16-bit TIFF"),
    (
        saved(
            made("L", 7, 8),
            "PNG",
            exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\3\0\0\0\0\0\0",
            transparency=8,
        ),
        grey(255, 7),
        "PNG with a transparent value",
    ),
]


@pytest.mark.parametrize(("data", "pixels", "why"), TURNED, ids=[row[2] for row in TURNED])
def test_what_is_upside_down_is_turned(data: bytes, pixels: Pixels, why: str) -> None:
    seen = decode(data)
    assert [seen.getpixel((x, 0)) for x in range(seen.width)] == pixels, why


def test_of_an_animation_the_first_frame_with_what_is_transparent_in_it() -> None:
    first, second = with_palette("P", 0, 1), with_palette("P", 1, 1)
    data = saved(first, "GIF", save_all=True, append_images=[second], transparency=1)
    seen = decode(data)
    assert [seen.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), WHITE]


def test_grey_of_32_bits_is_refused_in_any_file() -> None:
    for data in (saved(made("I", 1, 2), "TIFF"), b"Pf 1 1 -1.0\n" + struct.pack("<f", 0.5)):
        with pytest.raises(ImageDecodeError, match="32-bit greyscale has no fixed white"):
            decode(data)
