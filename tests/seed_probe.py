"""What each step of a run did, to the bit, written down for ``integration/test_one_seed.py``."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer


class SeedProbe(Callback):
    """Writes ids, log-probs, rewards, and digests of the trained weights of each step.

    Args:
        file: where to, one JSON line a step.
        threads: that torch is to use, more than there are cores too.
    """

    def __init__(self, file: str, threads: int) -> None:
        self._file = Path(file)
        torch.set_num_threads(threads)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        turns = [turn for row in _rows(batch) for turn in row.turns]
        record = {
            "threads": torch.get_num_threads(),
            "ids": [turn.generated_ids for turn in turns],
            "logprobs": [[value.hex() for value in turn.logprobs] for turn in turns],
            "rewards": [group.rewards for group in batch.rollouts.groups],
            "weights": {
                name: sha256(weight.detach().float().cpu().numpy().tobytes()).hexdigest()
                for name, weight in pl_module.named_parameters()
                if weight.requires_grad
            },
        }
        with self._file.open("a") as file:
            file.write(json.dumps(record) + "\n")


def _rows(batch: Any) -> list[Any]:
    return [row for group in batch.rollouts.groups for row in group.trajectories]
