"""Stage 1: the vision tower alone learns to read.

From scratch, in one go with the language model, colours are learned and print never is. Asked at
every 28-pixel cell which glyph covers it, or none, the tower reads within minutes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from visionthink_pl.data.lookcloser import (
    CELL,
    DIGITS,
    INK,
    LARGE_PRINT,
    LETTERS,
    SIZE,
    SMALL_PRINT,
    canvas,
    draw_card,
    draw_glyph,
    draw_tag,
    large_place,
    small_place,
)
from visionthink_pl.families import Family
from visionthink_pl.images import half

GLYPHS = DIGITS + LETTERS
BLANK = len(GLYPHS)  # the label of a cell that no glyph covers
CELLS = SIZE // CELL

Labelled = tuple[Image.Image, list[int]]  # labels row by row


def dense_grid(rng: random.Random, side: int) -> Labelled:
    """A glyph of any size in every cell of an image of ``side`` pixels."""
    image, _ = canvas(rng)
    image = image.crop((0, 0, side, side))
    draw = ImageDraw.Draw(image)
    labels = []
    for y in range(0, side, CELL):
        for x in range(0, side, CELL):
            labels.append(rng.randrange(len(GLYPHS)))
            size = rng.randint(SMALL_PRINT[0], CELL)
            jitter = max(0, (CELL - size) // 2)
            centre = (
                x + CELL // 2 + rng.randint(-jitter, jitter),
                y + CELL // 2 + rng.randint(-jitter, jitter),
            )
            if rng.random() < 0.5:
                draw.rectangle((x, y, x + CELL - 1, y + CELL - 1), fill="white")
            draw_glyph(draw, GLYPHS[labels[-1]], centre, size, INK)
    return image, labels


def small_print(rng: random.Random) -> Labelled:
    """One to three small glyphs, on tags or on a card; all other cells are blank."""
    image, draw = canvas(rng)
    on_card = rng.random() < 0.5
    if on_card:
        draw_card(draw)
    labels = [BLANK] * CELLS**2
    for _ in range(rng.randint(1, 3)):
        x, y = small_place(rng, jitter=3)
        cell = x // CELL + CELLS * (y // CELL)
        if labels[cell] == BLANK:
            labels[cell] = rng.randrange(len(GLYPHS))
            if not on_card:
                draw_tag(draw, (x, y))
            draw_glyph(draw, GLYPHS[labels[cell]], (x, y), rng.randint(*SMALL_PRINT), INK)
    return image, labels


def large_print(rng: random.Random, at_half_size: bool) -> Labelled:
    """One large glyph on a card, at full size or half; every cell is asked for it."""
    image, draw = canvas(rng)
    draw_card(draw)
    label = rng.randrange(len(GLYPHS))
    draw_glyph(draw, GLYPHS[label], large_place(rng), rng.randint(*LARGE_PRINT), INK)
    if at_half_size:
        return half(image), [label] * (CELLS // 2) ** 2
    return image, [label] * CELLS**2


class LabelledImages(IterableDataset):
    """Endless batches of (patches, grid sizes, labels)."""

    def __init__(self, family: Family, batch_size: int, seed: int) -> None:
        self._family, self._batch_size, self._seed = family, batch_size, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        rng = random.Random(f"vision/{self._seed}")
        while True:
            drawn = [self._draw(rng) for _ in range(self._batch_size)]
            pixels = self._family.pixels([image for image, _ in drawn])
            yield (
                pixels.values,
                pixels.sizes,
                torch.tensor([label for _, labels in drawn for label in labels]),
            )

    def _draw(self, rng: random.Random) -> Labelled:
        chance = rng.random()
        if chance < 0.4:
            return dense_grid(rng, rng.choice((SIZE, SIZE // 2)))
        if chance < 0.7:
            return small_print(rng)
        return large_print(rng, at_half_size=rng.random() < 0.7)


def pretrain_vision(family: Family, model: nn.Module, steps: int, seed: int) -> float:
    """Train the tower and a throw-away head; return its accuracy on glyphs over 20 batches."""
    tower = model.model.visual.train()
    head = nn.Linear(model.config.text_config.hidden_size, len(GLYPHS) + 1)
    optimizer = torch.optim.AdamW([*tower.parameters(), *head.parameters()])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.5e-3, total_steps=steps)
    batches = iter(DataLoader(LabelledImages(family, 32, seed), batch_size=None, num_workers=1))
    accuracies: list[float] = []
    for step in range(steps):
        patches, grid_thw, labels = next(batches)
        logits = head(tower(patches, grid_thw=grid_thw).pooler_output)
        loss = nn.functional.cross_entropy(logits, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        glyphs = labels != BLANK
        accuracies.append((logits.argmax(-1) == labels)[glyphs].float().mean().item())
        if step % 50 == 49:
            recent = sum(accuracies[-20:]) / 20
            print(f"vision {step + 1:5d}  loss {loss.item():.3f}  glyphs {recent:.3f}", flush=True)
    return sum(accuracies[-20:]) / len(accuracies[-20:])
