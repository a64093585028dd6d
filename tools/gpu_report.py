"""Run everything that a GPU has to show, one part after another, each in a process of its own.

    make gpu-check                       # all parts, within 8 minutes
    make gpu-check ARGS="--only memory"  # one of them

What each part printed goes into a log, what it measured into `report.json`, which is written anew
after each part: a machine that is taken away in between leaves what it had. Without a GPU the parts
run that can do without one, on the smallest models.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
PACKAGES = ("torch", "transformers", "peft", "lightning", "bitsandbytes", "trl")
PRECISIONS = {"fp32": ("32-true", None), "bf16": ("bf16-mixed", None), "nf4": ("bf16-mixed", "nf4")}


@dataclass(frozen=True)
class Part:
    """One command.

    Attributes:
        arguments: of Python.
        limit_s: seconds that it may take.
        read: what it measured, from the file that it wrote.
        file: that file's name.
        needs: a package without which it is left out.
    """

    arguments: list[str]
    limit_s: float
    read: Callable[[Path], Any] | None = None
    file: str = ""
    needs: str = ""


def read_json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def read_tests(file: Path) -> dict[str, Any]:
    """How many tests passed, which failed, and what they recorded."""
    cases = list(ElementTree.parse(file).getroot().iter("testcase"))  # noqa: S314 (pytest's own)
    failed = [c.get("name") for c in cases if c.find("failure") is not None]
    failed += [c.get("name") for c in cases if c.find("error") is not None]
    recorded = {
        str(case.get("name")): {p.get("name"): p.get("value") for p in case.iter("property")}
        for case in cases
        if case.find("properties") is not None
    }
    return {"passed": len(cases) - len(failed), "failed": failed, "recorded": recorded}


def fit(name: str, gpu: bool, folder: Path) -> Part:
    """The quickstart in one precision; on a CPU a few batches of it."""
    precision, quantization = PRECISIONS[name]
    samples = (800 if name == "fp32" else 400) if gpu else 40
    options = {
        "trainer.accelerator": "gpu" if gpu else "cpu",
        "trainer.precision": precision,
        "trainer.callbacks": "null",
        "trainer.logger.class_path": "lightning.pytorch.loggers.CSVLogger",
        "trainer.logger.init_args.save_dir": str(folder),
        "trainer.logger.init_args.name": f"fit-{name}",
        "trainer.enable_checkpointing": "false",
        "data.train.init_args.length": str(samples),
        "data.validation.init_args.length": "200" if gpu else "20",
    }
    if quantization:
        options["model.lora.quantization"] = quantization
    command = ["-m", "visionthink_pl", "fit", "--config", "configs/quickstart.yaml"]
    return Part(command + [f"--{key}={value}" for key, value in options.items()], 110)


def parts(gpu: bool, folder: Path) -> dict[str, Part]:
    """Every part by its name, what matters most first."""
    device, python = "cuda" if gpu else "cpu", sys.executable
    assert python

    def out(name: str) -> str:
        return str(folder / name)

    tests = ["-m", "pytest", "tests/equivalence", "--device", device, "-n", "8" if gpu else "1"]
    tests += ["--junitxml", out("equivalence.xml"), "-o", "junit_family=xunit1"]
    if not gpu:
        tests += ["-k", "precision or logprobs"]
    memory = ["tools/gpu_check.py", "--json", out("memory.json")]
    bench = ["tools/bench_step.py", "--device", device, "--steps", "3"]
    small = ["--size", "tiny", "--image-tokens", "16", "--new-tokens", "4", "--steps", "1"]
    sized = ["--size", "3b", "--dtype", "bfloat16"] if gpu else small
    two_turns = [*bench, *sized, "--turns", "2", "--vs", "naive", "--json", out("two_turns.json")]
    seed = ["tools/gpu_seed.py", "--json", out("seed.json"), "--batches", "10" if gpu else "1"]
    against = [*bench, *sized, "--vs", "trl", "--json", out("trl.json")]
    return {
        "equivalence": Part(tests, 150, read_tests, "equivalence.xml"),
        **{f"fit {name}": fit(name, gpu, folder) for name in PRECISIONS},
        "trl": Part(against, 120, read_json, "trl.json", needs="trl"),
        "memory": Part(memory + ([] if gpu else ["--size", "tiny"]), 400, read_json, "memory.json"),
        "two turns": Part(two_turns, 120, read_json, "two_turns.json"),
        "one seed": Part(seed, 300, read_json, "seed.json"),
    }


def run(name: str, part: Part, folder: Path, left_s: float) -> dict[str, Any]:
    """Run one part, and say how it ended and what it measured."""
    if part.needs and importlib.util.find_spec(part.needs) is None:
        return {"result": f"left out: {part.needs} is not installed"}
    if left_s < 10:
        return {"result": "left out: no time was left"}
    log, limit_s = folder / f"{name.replace(' ', '_')}.log", min(part.limit_s, left_s)
    paths = [str(ROOT / "src"), str(ROOT / "tools"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "HF_HUB_OFFLINE": "1",
    }
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as out:
        try:
            code = subprocess.run(
                [sys.executable, *part.arguments],
                cwd=ROOT,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=limit_s,
            ).returncode
            result = "passed" if code == 0 else f"failed: exit code {code}"
        except subprocess.TimeoutExpired:
            result = f"failed: stopped after {limit_s:.0f} s"
    found: dict[str, Any] = {"result": result, "seconds": round(time.monotonic() - started, 1)}
    if part.read is not None and (folder / part.file).is_file():
        found["figures"] = part.read(folder / part.file)
    else:
        found["printed"] = log.read_text(encoding="utf-8", errors="replace")[-3000:]
    return found


def machine(gpu: bool) -> dict[str, Any]:
    """What it was measured on."""
    installed = [name for name in PACKAGES if importlib.util.find_spec(name) is not None]
    return {
        "device": torch.cuda.get_device_name() if gpu else platform.processor() or "CPU",
        "python": platform.python_version(),
        **{name: version(name) for name in installed},
    }


def show(report: dict[str, Any]) -> None:
    table = Table(title=f"On {report['machine']['device']}", title_justify="left")
    table.add_column("part")
    table.add_column("s", justify="right")
    table.add_column("result")
    for name, found in report["parts"].items():
        table.add_row(name, str(found.get("seconds", "")), found["result"])
    Console(width=100).print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="PART", help="the parts to run")
    parser.add_argument("--out", type=Path, default=Path("gpu_check"), help="folder to write to")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all parts together")
    args = parser.parse_args()
    gpu, ends = torch.cuda.is_available(), time.monotonic() + 60 * args.minutes
    folder = args.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    every = parts(gpu, folder)
    if unknown := sorted(set(args.only or ()) - set(every)):
        parser.error(f"--only: no part {unknown[0]!r}; they are {', '.join(every)}")
    report: dict[str, Any] = {"machine": machine(gpu), "parts": {}}
    for name in args.only or every:
        report["parts"][name] = run(name, every[name], folder, ends - time.monotonic())
        print(f"{name}: {report['parts'][name]['result']}", flush=True)
        text = json.dumps(report, indent=2, ensure_ascii=False)
        (folder / "report.json").write_text(f"{text}\n", encoding="utf-8")
    show(report)
    print(f"figures and logs: {folder}")
    return int(any("failed" in found["result"] for found in report["parts"].values()))


if __name__ == "__main__":
    sys.exit(main())
