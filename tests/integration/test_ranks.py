"""Several processes against one with the same global batch: one node, two nodes, a killed rank."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from ranks_probe import DIED
from visionthink_pl.commands.trainer.cli import main

pytestmark = pytest.mark.integration
TESTS = Path(__file__).parents[1]
MINUTE = 60  # seconds
NEVER_S = 30 * MINUTE  # what has not ended by then hangs, on the busiest machine
UPDATES = 2  # optimizer steps a rollout batch

# Micro-batches of 3 of groups of 4, so that ranks have different numbers of them; gathering over
# two draws; five prompts of validation, so that ranks have different numbers of them, too.
CONFIG = f"""
seed_everything: 1
trainer:
  accelerator: cpu
  max_epochs: 1
  limit_train_batches: 2
  logger: false
  enable_checkpointing: false
  enable_progress_bar: false
  enable_model_summary: false
  callbacks:
    - class_path: ranks_probe.RanksProbe
      init_args: {{folder: FOLDER}}
model:
  lora: {{r: 4}}
  loss: {{class_path: visionthink_pl.losses.GRPOLoss, init_args: {{kl_coefficient: 0.05}}}}
  optimizer: {{lr: 1.0e-3}}
  updates_per_batch: {UPDATES}
  micro_batch_size: 3
  max_grad_norm: 0
data:
  train: {{class_path: visionthink_pl.data.LookCloser, init_args: {{length: 40}}}}
  validation:
    class_path: visionthink_pl.data.LookCloser
    init_args: {{length: 5, split: validation}}
  prompts_per_step: 5
  validation_prompts: 4
rollout: {{group_size: 4, max_new_tokens: 40, max_draws: 2}}
"""


@dataclass
class Ranks:
    """What the processes of one run wrote, in the order of their ranks."""

    ranks: list[dict]

    def sampled(self, draw: int) -> dict[str, list[list[int]]]:
        return {name: ids for rank in self.ranks for name, ids in rank["sampled"][draw].items()}


def config(folder: Path, **probe: int) -> str:
    folder.mkdir(exist_ok=True)
    settings = "".join(f", {name}: {value}" for name, value in probe.items())
    file = folder / "config.yaml"
    file.write_text(CONFIG.replace("FOLDER}", f"{folder}{settings}}}"), encoding="utf-8")
    return str(file)


def start(folder: Path, *command: str) -> subprocess.Popen:
    """A process in an empty folder of its own, on one thread, with this folder's modules."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    # What Lightning has left in this process's own environment would give all runs one port.
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MASTER_", "LOCAL_RANK"))}
    environment = own | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait(*processes: subprocess.Popen) -> list[str]:
    """Their output, once they have ended well."""
    output = [process.communicate(timeout=NEVER_S)[0] for process in processes]
    for process, text in zip(processes, output, strict=True):
        assert process.returncode == 0, text
    return output


def read(folder: Path, ranks: int) -> Ranks:
    return Ranks([torch.load(folder / f"rank-{r}.pt", weights_only=False) for r in range(ranks)])


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Ranks:
    folder = tmp_path_factory.mktemp("one")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["fit", "--config", config(folder), "--trainer.devices=1"]) == 0
    return read(folder, 1)


@pytest.fixture(
    scope="module", params=["one node", pytest.param("two nodes", marks=pytest.mark.long)]
)
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ranks:
    folder = tmp_path_factory.mktemp("two")
    fit = ["-m", "visionthink_pl", "fit", "--config", config(folder), "--trainer.strategy=ddp"]
    if request.param == "one node":
        wait(start(folder, *fit, "--trainer.devices=2"))
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        torchrun = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
        torchrun += ["--master-addr=127.0.0.1", f"--master-port={port}"]
        nodes = ["--trainer.num_nodes=2", "--trainer.devices=1"]
        wait(*(start(folder, *torchrun, f"--node-rank={n}", *fit, *nodes) for n in (0, 1)))
    return read(folder, 2)


def test_the_same_samples(one: Ranks, two: Ranks) -> None:
    for draw in range(2):
        own = [set(rank["sampled"][draw]) for rank in two.ranks]
        assert own[0] and own[1] and not own[0] & own[1]
        assert two.sampled(draw) == one.sampled(draw)


def test_the_same_groups_are_trained_on(one: Ranks, two: Ranks) -> None:
    for draw in range(2):
        found = sorted(place for rank in two.ranks for place in rank["kept"][draw])
        assert found == one.ranks[0]["kept"][draw]
    assert one.ranks[0]["kept"][1]


def test_the_same_gradients_on_every_rank(one: Ranks, two: Ranks) -> None:
    expected = one.ranks[0]["gradients"]
    assert len(expected) >= UPDATES
    for rank in two.ranks:
        assert len(rank["gradients"]) == len(expected)
        for found, wanted in zip(rank["gradients"], expected, strict=True):
            largest = max(value.abs().max().item() for value in wanted.values())
            assert largest > 1e-4
            for name, value in wanted.items():
                torch.testing.assert_close(found[name], value, atol=1e-5 * largest, rtol=1e-5)


def test_the_same_metrics_on_every_rank(one: Ranks, two: Ranks) -> None:
    expected = one.ranks[0]["metrics"]
    names = {name for row in expected for name in row if not name.startswith(("time/", "memory/"))}
    assert {"val/accuracy", "train/accuracy", "loss/kl", "loss/grad_norm"} <= names
    for rank in two.ranks:
        for found, wanted in zip(rank["metrics"], expected, strict=True):
            assert found.keys() == wanted.keys()
            for name in names & wanted.keys():
                assert found[name] == pytest.approx(wanted[name], abs=1e-5, rel=1e-4), name


@pytest.mark.long
def test_a_killed_rank_ends_the_run_within_a_minute(tmp_path: Path) -> None:
    fit = ["-m", "visionthink_pl", "fit", "--config", config(tmp_path, dies_in=1)]
    process = start(tmp_path, *fit, "--trainer.strategy=ddp", "--trainer.devices=2")
    started = time.time()
    text, _ = process.communicate(timeout=NEVER_S)
    ended, died = time.time(), (tmp_path / DIED).stat().st_mtime
    assert process.returncode not in (0, None), text
    # Where the machine is so busy that starting takes long, so may ending.
    assert ended - died < MINUTE + (died - started)
    assert not list(tmp_path.glob("rank-*.pt"))
    assert str(signal.SIGKILL.value) in text or "closed" in text, text
