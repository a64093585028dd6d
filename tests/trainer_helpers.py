"""Trainers, data and rewards for runs of a step or two on the embedded model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from PIL import Image

from visionthink_pl.callbacks import RolloutCallback
from visionthink_pl.data import LookCloser, PromptDataModule, Source
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.policy import Lora
from visionthink_pl.rewards import Reward
from visionthink_pl.rewards.base import Scores
from visionthink_pl.training.optimizer import AdamW
from visionthink_pl.types import Group, PromptBatch, UnreadableSample, VQASample

GROUP_SIZE = 3
# A config of one batch on the embedded model; it ends within ``rollout``, where more may follow.
SMALL_RUN = """\
trainer:
  accelerator: cpu
  devices: 1
  max_epochs: 1
  log_every_n_steps: 1
  limit_train_batches: 1
  logger: {class_path: lightning.pytorch.loggers.CSVLogger, init_args: {save_dir: csv}}
data:
  train: {class_path: visionthink_pl.data.LookCloser, init_args: {length: 8}}
  prompts_per_step: 8
rollout:
  group_size: 4
  max_new_tokens: 40
"""


class ByPlace(Reward):
    """0, 1, 2 and so on within the group: every group has signal, whatever was said."""

    name = "by_place"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return [float(place) for place in range(len(group.trajectories))]


class PaysSecondLooks(Reward):
    """1 where the full image was shown, else 0."""

    name = "second_look"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return [float(trajectory.high) for trajectory in group.trajectories]


class Plain(Source):
    """Questions about images of one colour each, numbered in another column; those at the indices
    ``bad`` can't be read."""

    def __init__(self, length: int = 4, bad: Sequence[int] = ()) -> None:
        self._length, self._bad = length, frozenset(bad)

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("plain",)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        if index in self._bad:
            return UnreadableSample(f"plain-{index}", "made so")
        image = Image.new("RGB", (112, 112), (40 * index % 256, 90, 200))
        extra = {"number": index}
        return VQASample(f"plain-{index}", "What colour?", "blue", (image,), "plain", extra=extra)


class Watch(Callback):
    """Keeps the batches that each stage has seen."""

    def __init__(self) -> None:
        self.batches: dict[str, list[PromptBatch]] = {}

    def _keep(self, stage: str, batch: PromptBatch) -> None:
        self.batches.setdefault(stage, []).append(batch)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._keep("fit", batch)

    def on_validation_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self._keep("validate", args[3])

    def on_test_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self._keep("test", args[3])

    def on_predict_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self._keep("predict", args[3])


def make_module(**settings: Any) -> VisionThinkModule:
    """A module on the embedded model that learns fast enough for one step to show."""
    defaults = {"lora": Lora(r=4), "optimizer": AdamW(lr=1e-2), "kinds": ("plain",)}
    return VisionThinkModule(**(defaults | settings))


def make_rollout(**settings: Any) -> RolloutCallback:
    """Short turns; every group has signal."""
    defaults = {"group_size": GROUP_SIZE, "max_new_tokens": 6, "rewards": [ByPlace()]}
    return RolloutCallback(**(defaults | settings))


def make_data(
    train: Source | None = None, validation: Source | None = None, **settings: Any
) -> PromptDataModule:
    """Two prompts a batch; bad rows stop nothing."""
    defaults: dict[str, Any] = {"prompts_per_step": 2, "max_bad_rows": None}
    return PromptDataModule(train or Plain(), validation or Plain(), **(defaults | settings))


def make_trainer(folder: Path, *callbacks: Callback, **settings: Any) -> Trainer:
    """A quiet trainer on the CPU, as the command line would set it up."""
    defaults = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 1,
        "limit_val_batches": 1,
        "limit_test_batches": 1,
        "limit_predict_batches": 1,
        "num_sanity_val_steps": 0,
        "inference_mode": False,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": folder,
    }
    return Trainer(callbacks=list(callbacks), **(defaults | settings))


def write_image_folder(folder: Path, split: str, count: int) -> None:
    """Drawn questions, as ``ImageFolder`` reads them."""
    folder.mkdir(parents=True)
    rows = []
    for index in range(count):
        sample = LookCloser(count, split)[index]
        sample.images[0].save(folder / f"{index}.png")
        rows.append({"image": f"{index}.png", "question": sample.question, "answer": sample.answer})
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
