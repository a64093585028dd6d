"""``lookcloser``: questions about drawn images; some can be answered only from the full image.

Everything is drawn from (seed, split, index) with Pillow and its bundled font, on a canvas of
112 x 112 pixels, so that the first look has 56 x 56. Half of the questions, by default, can be
answered from that first look:

    colour, shape, count   large shapes: the first look suffices
    digit, letter          small print on a tag: the first look does not suffice
    print                  a digit on a card, its print large or small under the same question
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from visionthink_pl.data.source import Source
from visionthink_pl.types import Box, ConfigError, Region, VQASample
from visionthink_pl.types.limits import PositiveInt, limited

SIZE = 112  # pixels, width and height
CELL = 28  # pixels: what one visual token covers; small print stays within a cell
SMALL_PRINT = (12, 13)  # font size in pixels
LARGE_PRINT = (56, 64)

COLOURS = {
    "red": (214, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (240, 205, 40),
    "orange": (240, 130, 30),
    "purple": (140, 50, 170),
    "black": (25, 25, 25),
}
SHAPES = ("circle", "square", "triangle", "cross")
DIGITS = "0123456789"
LETTERS = "ACEFHKMRTX"  # none that looks like a digit
MAX_COUNT = 4

QUESTIONS = {
    "colour": "What colour is the large shape?",
    "shape": "What shape is drawn?",
    "count": "How many large dots are there?",
    "digit": "Which digit is on the small tag?",
    "letter": "Which letter is on the small tag?",
    "print": "Which digit is printed on the card?",
}
DEFAULT_MIX = {"colour": 2, "shape": 2, "count": 2, "digit": 3, "letter": 3, "print": 8}
SPLIT_KINDS = ("needs_second_look", "first_look_suffices")  # these two split the mixed question

INK = (20, 20, 20)
OUTLINE = (90, 90, 90)

Canvas = tuple[Image.Image, ImageDraw.ImageDraw]
Drawn = tuple[Image.Image, str, Box | None]  # image, answer, where small print is


class LookCloser(Source):
    """The drawn data set.

    Args:
        length: number of samples.
        split: ``train`` and ``validation`` never share a drawing.
        seed: another seed draws other samples.
        mix: number of samples of each kind in a cycle; a kind that is left out is not asked. For
            the kind ``print``, large and small print alternate. The samples are a sequence of
            cycles, so batches of the size of a cycle, read in order, are balanced.
    """

    @limited()
    def __init__(
        self,
        length: PositiveInt = 2000,
        split: Literal["train", "validation"] = "train",
        seed: int = 0,
        mix: dict[str, int] | None = None,
    ) -> None:
        self._mix = dict(DEFAULT_MIX if mix is None else mix)
        unknown = sorted(set(self._mix) - set(QUESTIONS))
        if unknown:
            raise ConfigError(
                f"LookCloser.mix: no kind {unknown[0]!r}; the kinds are {', '.join(QUESTIONS)}"
            )
        if min(self._mix.values(), default=0) < 0 or not any(self._mix.values()):
            raise ConfigError(f"LookCloser.mix: counts, at least one above 0, not {self._mix}")
        self._length = length
        self._split = split
        self._seed = seed
        self._cycle = [kind for kind, count in self._mix.items() for _ in range(count)]

    @property
    def kinds(self) -> tuple[str, ...]:
        asked = tuple(kind for kind, count in self._mix.items() if count)
        return asked + SPLIT_KINDS if "print" in asked else asked

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> VQASample:
        if not 0 <= index < self._length:
            raise IndexError(f"sample {index} of {self._length}")
        kind, drawing = self._drawing(index)
        rng = random.Random(f"lookcloser/{self._seed}/{self._split}/{index}")
        image, answer, small = DRAW[drawing](rng)
        needs_second_look = drawing in NEED_SECOND_LOOK
        return VQASample(
            id=f"lookcloser-{self._split}-{self._seed}-{index}",
            question=QUESTIONS[kind],
            answer=answer,
            images=(image,),
            kind=kind,
            needs_second_look=needs_second_look,
            extra_kinds=(SPLIT_KINDS[0 if needs_second_look else 1],) if kind == "print" else (),
            evidence=() if small is None else (Region(0, small),),
        )

    def _drawing(self, index: int) -> tuple[str, str]:
        """The kind of question at ``index``, and the drawing for it."""
        cycle, offset = divmod(index, len(self._cycle))
        kind = self._cycle[offset]
        if kind != "print":
            return kind, kind
        asked_before = cycle * self._mix["print"] + offset - self._cycle.index("print")
        return kind, ("large print", "small print")[asked_before % 2]


def canvas(rng: random.Random) -> Canvas:
    """A plain background in a light tint."""
    grey = rng.randint(205, 245)
    tint = tuple(min(255, grey + rng.randint(-12, 12)) for _ in range(3))
    image = Image.new("RGB", (SIZE, SIZE), tint)
    return image, ImageDraw.Draw(image)


def small_place(rng: random.Random, jitter: int) -> tuple[int, int]:
    """A position for small print: the middle of a cell, moved by up to ``jitter`` pixels."""
    middles = (CELL // 2 + CELL * rng.randrange(SIZE // CELL) for _ in "xy")
    x, y = (middle + rng.randint(-jitter, jitter) for middle in middles)
    return x, y


def draw_tag(draw: ImageDraw.ImageDraw, centre: tuple[int, int]) -> None:
    """Draw an empty tag for small print."""
    x, y = centre
    draw.rounded_rectangle((x - 10, y - 9, x + 10, y + 9), 3, fill="white", outline=OUTLINE)


def draw_card(draw: ImageDraw.ImageDraw) -> None:
    """Draw an empty card over most of the canvas."""
    draw.rounded_rectangle((6, 6, SIZE - 7, SIZE - 7), 8, fill="white", outline=OUTLINE)


def draw_shape(
    draw: ImageDraw.ImageDraw, name: str, centre: tuple[int, int], radius: int, colour: str
) -> None:
    """Draw one of ``SHAPES`` in one of ``COLOURS``; ``radius`` in pixels."""
    (x, y), r, fill = centre, radius, COLOURS[colour]
    if name == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    elif name == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill=fill)
    elif name == "triangle":
        draw.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=fill)
    else:
        arm = r // 3
        draw.rectangle((x - r, y - arm, x + r, y + arm), fill=fill)
        draw.rectangle((x - arm, y - r, x + arm, y + r), fill=fill)


def draw_glyph(
    draw: ImageDraw.ImageDraw,
    glyph: str,
    centre: tuple[float, float],
    font_size: int,
    fill: tuple[int, int, int],
) -> None:
    """Draw one character in the bundled font, its middle at ``centre``."""
    draw.text(centre, glyph, font=_font(font_size), fill=fill, anchor="mm")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _one_shape(rng: random.Random) -> tuple[Image.Image, str, str]:
    image, draw = canvas(rng)
    name, colour = rng.choice(SHAPES), rng.choice(list(COLOURS))
    centre = (SIZE // 2 + rng.randint(-16, 16), SIZE // 2 + rng.randint(-16, 16))
    draw_shape(draw, name, centre, rng.randint(26, 38), colour)
    return image, name, colour


def _colour(rng: random.Random) -> Drawn:
    image, _, colour = _one_shape(rng)
    return image, colour, None


def _shape(rng: random.Random) -> Drawn:
    image, name, _ = _one_shape(rng)
    return image, name, None


def _count(rng: random.Random) -> Drawn:
    image, draw = canvas(rng)
    count = rng.randint(1, MAX_COUNT)
    colour = rng.choice(list(COLOURS))
    for quadrant in rng.sample(range(MAX_COUNT), count):
        x, y = SIZE // 4 + SIZE // 2 * (quadrant % 2), SIZE // 4 + SIZE // 2 * (quadrant // 2)
        centre = (x + rng.randint(-6, 6), y + rng.randint(-6, 6))
        draw_shape(draw, "circle", centre, rng.randint(13, 18), colour)
    return image, str(count), None


def _tag(rng: random.Random, glyphs: str) -> Drawn:
    image, draw = canvas(rng)
    glyph, centre = rng.choice(glyphs), small_place(rng, jitter=3)
    draw_tag(draw, centre)
    draw_glyph(draw, glyph, centre, rng.randint(*SMALL_PRINT), INK)
    return image, glyph, _around(*centre)


def _large_print(rng: random.Random) -> Drawn:
    image, draw = canvas(rng)
    digit = rng.choice(DIGITS)
    draw_card(draw)
    draw_glyph(draw, digit, large_place(rng), rng.randint(*LARGE_PRINT), INK)
    return image, digit, None


def _small_print(rng: random.Random) -> Drawn:
    image, draw = canvas(rng)
    digit = rng.choice(DIGITS)
    draw_card(draw)
    x, y = (min(max(side, 18), SIZE - 18) for side in small_place(rng, jitter=5))
    draw_glyph(draw, digit, (x, y), rng.randint(*SMALL_PRINT), INK)
    return image, digit, _around(x, y)


def _around(x: int, y: int) -> Box:
    """What small print at this place takes up, with a margin."""
    reach = SMALL_PRINT[1] // 2 + 2
    return Box(x - reach, y - reach, x + reach, y + reach)


def large_place(rng: random.Random) -> tuple[int, int]:
    """A position for large print: near the middle of the canvas."""
    return SIZE // 2 + rng.randint(-8, 8), SIZE // 2 + rng.randint(-8, 8)


DRAW: dict[str, Callable[[random.Random], Drawn]] = {
    "colour": _colour,
    "shape": _shape,
    "count": _count,
    "digit": lambda rng: _tag(rng, DIGITS),
    "letter": lambda rng: _tag(rng, LETTERS),
    "large print": _large_print,
    "small print": _small_print,
}
NEED_SECOND_LOOK = ("digit", "letter", "small print")
