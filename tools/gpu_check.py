"""Measure what a step really needs against what `plan` says, on the machine at hand.

    python tools/gpu_check.py --json gpu_check.json

Takes real steps of 7B in 4 bits and of 3B in bf16, with random weights, at the configs' lengths and
G = 8, after a short one. The peak is the GPU's own counter. `--size tiny` proves on a CPU that it
runs; resident memory is too coarse there to judge such small steps by.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from PIL import Image
from rich.console import Console
from rich.table import Table

from bench.meter import peak, reset_peak
from bench.ours import call_of, never_end
from bench.work import Work, write_model
from visionthink_pl.callbacks import RolloutCallback
from visionthink_pl.commands.plan.estimate import estimate
from visionthink_pl.commands.plan.setup import Demand, Setup
from visionthink_pl.images import PixelLimits
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.policy import Lora
from visionthink_pl.rollout import RolloutEngine
from visionthink_pl.training.credit import Credited
from visionthink_pl.types import StopReason, Turn, VQASample

GIB = 2**30


@dataclass(frozen=True)
class Case:
    """A step: size of the model, 4 bits or none, and its lengths."""

    size: str
    quantization: str | None
    side: int
    new_tokens: int
    micro_batch: int


CASES = {
    "7b nf4": Case("7b", "nf4", 1001, 512, 8),
    "3b bf16": Case("3b", None, 1001, 512, 8),
    "tiny fp32": Case("tiny", None, 112, 8, 8),
}


class AskingEngine(RolloutEngine):
    """Every rollout asks, and nobody stops before its tokens are spent."""

    def _finish_turn(self, row, generated):
        turn = Turn(generated.ids, generated.logprobs, "")
        row.trajectory.turns.append(turn)
        if len(row.trajectory.turns) < 2:
            turn.call = call_of(0, 1)
            return self._respond(row, turn)
        row.trajectory.stop = StopReason.ANSWERED
        return None


def build(case: Case, folder: str) -> tuple[VisionThinkModule, RolloutCallback]:
    module = VisionThinkModule(
        folder,
        lora=Lora(quantization=case.quantization),
        micro_batch_size=case.micro_batch,
        gradient_checkpointing=True,
    )
    rollout = RolloutCallback(
        max_new_tokens=case.new_tokens, rows=8, limits=PixelLimits(max_pixels=case.side**2)
    )
    return module, rollout


def device_of(case: Case) -> tuple[str, str, str]:
    """Where it runs, the trainer's name for that, and its precision."""
    if case.size == "tiny" and not torch.cuda.is_available():
        return "cpu", "cpu", "32-true"
    return "cuda", "gpu", "bf16-mixed"


def measure(case: Case) -> dict[str, Any]:
    """Bytes of the second step, planned and measured; run in a process of its own."""
    device, accelerator, precision = device_of(case)
    with tempfile.TemporaryDirectory() as folder:
        dtype = "float32" if precision == "32-true" else "bfloat16"
        write_model(Work(case.size, 1, 8, 2, 0, 16, 8, 1.0, 0.0, dtype, device), Path(folder))
        module, rollout = build(case, folder)
        demand = Demand(prompt_tokens=0)
        planned = estimate(Setup.of(module, rollout, 1, precision, demand, device == "cuda"))
        quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
        trainer = Trainer(accelerator=accelerator, devices=1, precision=precision, **quiet)
        trainer.strategy.connect(module)
        module.trainer = trainer
        before = reset_peak(device)
        module.configure_model()
    module.to(device)
    never_end(module.policy)
    optimizer = module.configure_optimizers()
    # The first, which is short, allocates the optimizer's state.
    take_step(module, rollout, case, 0, optimizer, new_tokens=8)
    reset_peak(device)
    started = time.monotonic()
    take_step(module, rollout, case, 1, optimizer, new_tokens=case.new_tokens)
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.monotonic() - started
    measured = peak(device) - before
    return {"planned_bytes": planned.peak, "measured_bytes": measured, "step_s": seconds}


def take_step(module, rollout, case: Case, draw: int, optimizer, new_tokens: int) -> None:
    image = Image.new("RGB", (case.side, case.side), (draw, 0, 0))
    sampling = replace(rollout.sampling, max_new_tokens=new_tokens)
    engine = AskingEngine(module.policy, rollout.sampler.conversation(module), sampling)
    with module.trainer.precision_plugin.forward_context():
        groups = engine.rollout([VQASample("0", "", "", (image,), "")], 8, draw)
    module.policy.train()
    optimizer.zero_grad()
    module.update.accumulate([Credited(t, 1.0) for group in groups for t in group.trajectories])
    optimizer.step()
    module.policy.forget_images()


def in_a_process(name: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--case", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def show(found: dict[str, dict[str, Any]]) -> None:
    table = Table(title="A step, GiB", title_justify="left")
    for column in ("", "planned", "measured", "planned over measured"):
        table.add_column(column, justify="right" if column else "left")
    for name, values in found.items():
        planned, measured = values["planned_bytes"], values["measured_bytes"]
        ratio = f"{planned / measured:.3f}"
        table.add_row(name, f"{planned / GIB:.3f}", f"{measured / GIB:.3f}", ratio)
    Console(width=100).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=("true", "tiny"), default="true")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--case", choices=list(CASES), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        print(json.dumps(measure(CASES[args.case])))
        return
    if args.size == "true" and not torch.cuda.is_available():
        parser.error("no GPU can be used here; --size tiny shows that the tool runs")
    found: dict[str, dict[str, Any]] = {}
    for name in CASES:
        if name.startswith("tiny") != (args.size == "tiny"):
            continue
        found[name] = measure(CASES[name]) if args.size == "tiny" else in_a_process(name)
        print(f"{name}: {found[name]}", flush=True)
        if args.json:  # after each: a machine may be taken away in between
            args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    show(found)


if __name__ == "__main__":
    main()
