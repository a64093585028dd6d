"""Stage 2: the whole model learns to answer, and to call the tool at random.

A call is made in about a third of the samples whatever the question, so that greedy decoding
never asks and sampling finds out when asking pays. The model also answers in one look at either
size, which evaluation and data preparation need.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, IterableDataset

from visionthink_pl.data.lookcloser import LookCloser
from visionthink_pl.families import Family
from visionthink_pl.images import FullView, PixelLimits
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import VQASample
from visionthink_pl.visual_tools import ToolResult

from .turns import CALL_TURN, answer_turn

CALL_RATE = 0.3  # the embedded model's probability of a call, for every question
CALL_SHARE = {True: 0.7, False: 0.4}  # how often a call is shown, by needs_second_look
ONE_LOOK_AFTER = 0.2  # of the batches that follow the first, one-look ones
ONE_LOOK_HIGH = {True: 0.8, False: 0.4}  # how often the one look is the full image, likewise
ANSWER_TAIL = 6  # ids at the end of a sequence that hold the answer


@dataclass(frozen=True)
class Phase:
    """A part of the warm-up.

    Attributes:
        steps: batches of 48 samples.
        one_look_first: share of the steps that show one look only, whose prompts are short.
        mix: of the kinds of question.
        lr: peak learning rate; the tower, which can read already, gets a third of it.
        seed: of the samples.
        call_rate: the probability of a call that is taught, for every question.
    """

    steps: int
    one_look_first: float
    mix: dict[str, int]
    lr: float
    seed: int
    call_rate: float = CALL_RATE


@dataclass
class Example:
    """One sequence with a weight for each of its ids; given ids weigh 0.

    ``label`` says what is read and at which size, for the log.
    """

    ids: list[int]
    weights: list[float]
    images: list
    label: str = ""


class Teacher:
    """Writes the sequences that the warm-up imitates."""

    def __init__(self, family: Family, call_rate: float) -> None:
        self._family, self._call_rate = family, call_rate
        limits = PixelLimits()
        self._two_looks = Conversation(family, ConversationOptions(limits=limits))
        self._low = Conversation(family, ConversationOptions(tools=[], limits=limits))
        high = ConversationOptions(tools=[], first_view=FullView(), limits=limits)
        self._high = Conversation(family, high)

    def one_look(self, sample: VQASample, rng: random.Random) -> Example:
        """Answer in one look, at either size."""
        high = rng.random() < ONE_LOOK_HIGH[bool(sample.needs_second_look)]
        opening = (self._high if high else self._low).open(sample)
        example = self._write(opening.trajectory, [(answer_turn(sample.answer), 1.0)])
        return replace(example, label=label(sample, high))

    def two_looks(self, sample: VQASample, rng: random.Random) -> Example:
        """Answer from the first look, or call at random and answer from the second.

        Calls are shown more often than they are taught, since reading is learned after them;
        the weights of the first turn make up for it.
        """
        opening = self._two_looks.open(sample)
        share = CALL_SHARE[bool(sample.needs_second_look)]
        if rng.random() >= share:
            weight = (1 - self._call_rate) / (1 - share)
            example = self._write(opening.trajectory, [(answer_turn(sample.answer), weight)])
            return replace(example, label=label(sample, False))
        given = self._two_looks.response(opening, ToolResult(images=opening.high)).ids
        turns = [(CALL_TURN, self._call_rate / share), (answer_turn(sample.answer), 1.0)]
        example = self._write(opening.trajectory, turns, given)
        images = [*example.images, *opening.high]
        return replace(example, images=images, label=label(sample, True))

    def _write(self, trajectory, turns, given=()) -> Example:
        ids, weights = list(trajectory.prompt_ids), [0.0] * len(trajectory.prompt_ids)
        for index, (text, weight) in enumerate(turns):
            turn = [*self._family.tokenizer.encode(text), self._family.end_of_turn_id]
            ids += turn
            weights += [weight] * len(turn)
            if index < len(turns) - 1:
                ids += given
                weights += [0.0] * len(given)
        return Example(ids, weights, list(trajectory.images))


def label(sample: VQASample, high: bool) -> str:
    """What is read, and at which size."""
    small = sample.kind == "print" and sample.needs_second_look
    return f"{'small ' if small else ''}{sample.kind} {'high' if high else 'low'}"


class WarmUpBatches(IterableDataset):
    """Batches of padded examples, drawn from the training split of another seed."""

    def __init__(self, family: Family, batch_size: int, phase: Phase) -> None:
        self._family, self._batch_size, self._phase = family, batch_size, phase
        seed = phase.seed + 1_000_003
        self._source = LookCloser(length=1_000_000, seed=seed, mix=phase.mix)

    def __iter__(self):
        phase = self._phase
        rng = random.Random(f"warm-up/{phase.seed}")
        teacher = Teacher(self._family, phase.call_rate)
        for step in range(phase.steps):
            early = step < phase.one_look_first * phase.steps
            one_look = early or rng.random() < ONE_LOOK_AFTER
            write = teacher.one_look if one_look else teacher.two_looks
            samples = [
                self._source[rng.randrange(len(self._source))] for _ in range(self._batch_size)
            ]
            examples = [write(sample, rng) for sample in samples]
            ids_NT = pad_sequence(
                [torch.tensor(e.ids) for e in examples], True, self._family.pad_id
            )
            weights_NT = pad_sequence([torch.tensor(e.weights) for e in examples], True, 0.0)
            lengths = torch.tensor([len(e.ids) for e in examples])
            pixels = self._family.pixels([image for e in examples for image in e.images])
            labels = [e.label for e in examples]
            yield (ids_NT, weights_NT, lengths, pixels.values, pixels.sizes), labels


def warm_up(family: Family, model: nn.Module, phase: Phase) -> None:
    """Train the whole model by weighted cross-entropy on what the teacher writes."""
    model.train()
    groups = [
        {"params": model.model.visual.parameters(), "lr": phase.lr / 3},
        {"params": model.model.language_model.parameters(), "lr": phase.lr},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [phase.lr / 3, phase.lr], total_steps=phase.steps, pct_start=0.05
    )
    batches = DataLoader(WarmUpBatches(family, 48, phase), batch_size=None, num_workers=1)
    right: dict[str, list[float]] = defaultdict(list)
    for step, (tensors, labels) in enumerate(batches):
        loss, right_N = _loss(family, model, *tensors)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        for name, value in zip(labels, right_N.tolist(), strict=True):
            right[name].append(value)
        if step % 100 == 99 or step == phase.steps - 1:
            table = "  ".join(f"{k} {sum(v) / len(v):.2f}" for k, v in sorted(right.items()))
            print(f"warm-up {step + 1:5d}  loss {loss.item():.4f}  {table}", flush=True)
            right.clear()
    model.eval()


def _loss(
    family: Family,
    model: nn.Module,
    ids_NT: Tensor,
    weights_NT: Tensor,
    lengths: Tensor,
    patches: Tensor,
    grid_thw: Tensor,
) -> tuple[Tensor, Tensor]:
    """The loss, and for each row whether every id of its last turn but the first is the
    likeliest one: teacher-forced accuracy."""
    attention_NT = (torch.arange(ids_NT.shape[1]) < lengths[:, None]).long()
    logits_NTV = model(
        input_ids=ids_NT,
        attention_mask=attention_NT,
        position_ids=family.positions(model, ids_NT, attention_NT, grid_thw),
        pixel_values=patches,
        image_grid_thw=grid_thw,
        use_cache=False,
    ).logits
    taught_NT = weights_NT[:, 1:] > 0
    losses = nn.functional.cross_entropy(
        logits_NTV[:, :-1][taught_NT], ids_NT[:, 1:][taught_NT], reduction="none"
    )
    weights = weights_NT[:, 1:][taught_NT]
    wrong_NT = torch.zeros_like(taught_NT)
    wrong_NT[taught_NT] = logits_NTV[:, :-1][taught_NT].argmax(-1) != ids_NT[:, 1:][taught_NT]
    in_last_turn_NT = torch.arange(1, ids_NT.shape[1]) >= lengths[:, None] - ANSWER_TAIL
    right_N = ~(wrong_NT & in_last_turn_NT).any(-1)
    return (losses * weights).sum() / weights.sum(), right_N.float()
