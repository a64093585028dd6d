"""What a run did, a JSON line an event, exact to the bit: floats are written in hexadecimal."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from lightning import Callback
from torch import Tensor

from visionthink_pl.rewards import Reward

FILE = "record.jsonl"
MEASURED = ("time/", "memory/")  # differ from run to run
WITHOUT = "BEHAVIOUR_WITHOUT"  # a variable that names metrics which are not compared


class Length(Reward):
    """A reward that untrained weights earn too, and that differs within their groups."""

    name = "length"

    def score(self, group: Any, parts: Any) -> list[float | None]:
        first = [row.turns[0].generated_ids for row in group.trajectories]
        return [float(sum(ids) % 7) for ids in first]


class Record(Callback):
    """Writes what was sampled, the gradients of each step, the metrics, and the weights at last."""

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        _write("batch", rows=list(_rows(batch)), metrics=_figures(trainer.callback_metrics))

    def on_validation_batch_end(self, trainer, module, outputs, batch, batch_idx, index=0) -> None:
        _write("validation batch", rows=list(_rows(batch)))

    def on_predict_batch_end(self, trainer, module, outputs, batch, batch_idx, index=0) -> None:
        _write("prediction", rows=list(_rows(batch)), outputs=outputs)

    def on_validation_end(self, trainer, module) -> None:
        _write("validation", metrics=_figures(trainer.callback_metrics))

    def on_before_optimizer_step(self, trainer, module, optimizer) -> None:
        trained = [(n, p.grad) for n, p in module.named_parameters() if p.requires_grad]
        _write("gradients", lr=optimizer.param_groups[0]["lr"].hex(), digest=_digest(trained))

    def on_train_end(self, trainer, module) -> None:
        trained = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        _write("weights", digest=_digest(trained))


def _rows(batch: Any) -> Iterable[dict[str, Any]]:
    for group in batch.rollouts.groups:
        for index, row in enumerate(group.trajectories):
            yield {
                "sample": group.sample.id,
                "prompt": row.prompt_ids,
                "turns": [[turn.generated_ids, turn.given_ids] for turn in row.turns],
                "logprobs": [value.hex() for turn in row.turns for value in turn.logprobs],
                "reward": [group.rewards[index]] if group.rewards else [],
                "stop": str(row.stop),
            }


def _figures(metrics: Mapping[str, Tensor]) -> dict[str, str]:
    out = os.environ.get(WITHOUT, "").split()
    kept = {n: v for n, v in sorted(metrics.items()) if not n.startswith(MEASURED) and n not in out}
    return {name: float(value).hex() for name, value in kept.items()}


def _digest(named: Iterable[tuple[str, Tensor | None]]) -> str:
    digest = hashlib.sha256()
    for name, tensor in named:
        digest.update(name.encode())
        if tensor is not None:
            digest.update(tensor.detach().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _write(event: str, **what: Any) -> None:
    with open(FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps({"event": event, **what}) + "\n")
