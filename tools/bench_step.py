"""Time a training step by part, and against others on the same work.

    python tools/bench_step.py --size 30m --group-size 8 --vs trl --json step.json

Each contender runs in a process of its own and takes its steps in turn with the other's. The model
has random weights, and every turn the length it is given, so that all do the same work.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.least import least_flops
from bench.work import SIZES, Work, write_model


class Contender:
    """A worker process, from outside."""

    def __init__(self, name: str, work: Work, folder: Path, threads: int) -> None:
        self._log = folder / f"{name}.log"
        paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "OMP_NUM_THREADS": str(threads),
            "HF_HUB_OFFLINE": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", name, folder, str(threads)]
            + [json.dumps(asdict(work))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log.open("w"),
            env=environment,
            text=True,
        )
        self._read()

    def ask(self, command: str) -> dict[str, Any]:
        """Run a command and return what was measured."""
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a contender has died:\n{self._log.read_text()[-3000:]}")
        return json.loads(line)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def measure(work: Work, names: list[str], steps: int, threads: int) -> dict[str, dict[str, Any]]:
    """Seconds (a step each in turn, the first left out), FLOPs and peak bytes of each."""
    with tempfile.TemporaryDirectory() as folder:
        write_model(work, Path(folder))
        contenders = {name: Contender(name, work, Path(folder), threads) for name in names}
        timed: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for _ in range(steps + 1):
            for name, contender in contenders.items():
                timed[name].append(contender.ask("step"))
        found = {}
        for name, contender in contenders.items():
            peak = contender.ask("peak")["bytes"]
            # Not on a GPU: torch's counter has no formula for all that others call there.
            flops = contender.ask("flops")["flops"] if work.device == "cpu" else None
            found[name] = {
                "s": statistics.median(step["s"] for step in timed[name][1:]),
                "parts": mean_parts([step["parts"] for step in timed[name][1:]]),
                "peak_bytes": peak,
                "flops": flops,
            }
            contender.stop()
        return found


def mean_parts(steps: list[dict[str, float]]) -> dict[str, float]:
    return {part: statistics.mean(step[part] for step in steps) for part in steps[0]}


def report(work: Work, found: dict[str, dict[str, Any]], steps: int) -> None:
    """Print tables: who took how much, and our seconds by part."""
    settings = ", ".join(f"{key} {value}" for key, value in asdict(work).items())
    console = Console(width=100)
    table = Table(title=f"A step: {settings}", title_justify="left")
    for column in ("", "s a step", "generated tokens/s", "TFLOPs", "peak, MiB"):
        table.add_column(column, justify="left" if not column else "right")
    tokens = work.prompts * (work.group_size + work.asking * work.looks) * work.new_tokens
    for name, values in found.items():
        table.add_row(
            name,
            f"{values['s']:.2f}",
            f"{tokens / values['s']:.0f}",
            "" if values["flops"] is None else f"{values['flops'] / 1e12:.3f}",
            f"{values['peak_bytes'] / 2**20:.0f}",
        )
    console.print(table)
    print(f"The least by hand: {least_flops(work) / 1e12:.3f} TFLOPs")
    parts = Table(title=f"Ours by part, mean of {steps} steps", title_justify="left")
    parts.add_column("part")
    parts.add_column("s", justify="right")
    for part, seconds in sorted(found["ours"]["parts"].items(), key=lambda item: -item[1]):
        parts.add_row(part, f"{seconds:.3f}")
    console.print(parts)


def as_json(work: Work, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    ours = found["ours"]
    other = next((values for name, values in found.items() if name != "ours"), None)
    return {
        "ours_s": ours["s"],
        "other_s": other and other["s"],
        "ratio": other and other["s"] / ours["s"],
        "ours_flops": ours["flops"],
        "other_flops": other and other["flops"],
        "ours_peak_bytes": ours["peak_bytes"],
        "other_peak_bytes": other and other["peak_bytes"],
        "least_flops": least_flops(work),
        "parts": ours["parts"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=list(SIZES), default="30m", help="of the model")
    parser.add_argument("--prompts", type=int, default=1, help="prompts a step")
    parser.add_argument("--group-size", type=int, default=8, help="rollouts a prompt")
    parser.add_argument("--turns", type=int, choices=(1, 2, 3, 4), default=1)
    parser.add_argument("--prompt-tokens", type=int, default=100, help="text tokens of a prompt")
    parser.add_argument("--image-tokens", type=int, default=324, help="of the first look")
    parser.add_argument("--new-tokens", type=int, default=32, help="generated in each turn")
    parser.add_argument(
        "--ask-rate", type=float, default=0.4, help="share that asks, of several turns"
    )
    parser.add_argument("--kl", type=float, default=0.0, help="coefficient of the KL")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--vs", choices=("trl", "naive"), help="who else takes the same steps")
    parser.add_argument(
        "--without",
        choices=("shared-prompts", "kept-features"),
        default="",
        help="a saving that ours does without, to see what it is worth",
    )
    parser.add_argument("--steps", type=int, default=5, help="timed steps, after one that is not")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    args = parser.parse_args()
    if args.vs == "trl" and args.turns > 1:
        parser.error("--vs trl: one turn only; TRL shows Qwen2.5-VL no image within a rollout")
    if args.vs == "naive" and args.kl:
        parser.error("--vs naive: without a KL")
    work = Work(**{field.name: vars(args)[field.name] for field in fields(Work)})
    names = ["ours", args.vs] if args.vs else ["ours"]
    found = measure(work, names, args.steps, args.threads)
    report(work, found, args.steps)
    if args.vs:
        print(f"{args.vs} takes {found[args.vs]['s'] / found['ours']['s']:.2f} times as long")
    if args.json:
        args.json.write_text(json.dumps(as_json(work, found), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
