"""Ends runs by signals at random moments, resumes each, and compares what they did with a run that
nothing has ended.

    PYTHONPATH=src:tests python tests/kill_runs.py --kills 30

For each signal, and for all mixed, a chain of runs: each is ended in a phase drawn in turn, and the
next goes on with ``--ckpt_path last``. Batches that are done again, and all that follow, must be
equal to the bit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from judge_server import Action, Say, case_of, judge_server
from kill_probe import LONGEST

ROOT = Path(__file__).parents[1]
PHASES = ("rollout", "judging", "update", "stepped", "validation", "writing", "screening")
EARLY = ("", "screening", "before")  # training has not begun
CODES = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143, signal.SIGINT: 130}
DELAYS = {"rollout": 0.4, "judging": 0.2, "update": 0.4, "stepped": 0.4, "validation": 0.5}
NEVER_S = 600.0
NAMES = ("SIGKILL", "SIGTERM", "SIGINT")
MIXED = "mixed"  # a chain whose ends are by signals drawn at random

CONFIG = """
seed_everything: 3
trainer:
  accelerator: cpu
  max_epochs: 2
  val_check_interval: 3
  log_every_n_steps: 1
  enable_progress_bar: false
  enable_model_summary: false
  logger: {class_path: lightning.pytorch.loggers.CSVLogger, init_args: {save_dir: logs, name: run}}
  callbacks:
    - {class_path: kill_probe.KillProbe, init_args: {folder: .}}
    - class_path: visionthink_pl.callbacks.AdapterCheckpoint
      init_args: {every_n_train_steps: 1}
model:
  lora: {r: 4}
  optimizer: {lr: 1.0e-3}
  updates_per_batch: UPDATES
  micro_batch_size: 3
data:
  train: {class_path: visionthink_pl.data.LookCloser, init_args: {length: LENGTH}}
  validation:
    class_path: visionthink_pl.data.LookCloser
    init_args: {length: 6, split: validation}
  prompts_per_step: 4
  validation_prompts: 3
rollout:
  group_size: 4
  max_new_tokens: 40
  rewards:
    - class_path: visionthink_pl.rewards.JudgeAccuracy
      init_args:
        judge:
          class_path: visionthink_pl.rewards.APIJudge
          init_args: {model: made, base_url: URL, api_key_env: null}
    - class_path: trainer_helpers.ByPlace
"""


def verdict(request: dict[str, Any], before: int) -> Action:
    """Depends on the answer alone, and takes a while."""
    return Say(f"Score: {len(case_of(request)['candidate_answer']) % 2}", after=0.03)


class Run:
    """A chain of processes in one folder.

    Args:
        folder: of its config, its logs and what the probe writes.
        url: of the judge.
        batches: in an epoch, of two.
        updates: optimizer steps a batch.
    """

    def __init__(self, folder: Path, url: str, batches: int, updates: int) -> None:
        folder.mkdir()
        self.folder, text = folder, CONFIG.replace("URL", url).replace("UPDATES", str(updates))
        (folder / "config.yaml").write_text(text.replace("LENGTH", str(4 * batches)))

    def start(self, *options: str, **variables: str) -> subprocess.Popen[str]:
        """The next process, which goes on from the last checkpoint if there is one.

        Args:
            options: of the command line.
            variables: of its environment, beside this process's.
        """
        (self.folder / "phase-0").write_text("")
        command = [sys.executable, "-m", "visionthink_pl", "fit", "--config", "config.yaml"]
        command += options
        if [*self.folder.rglob("checkpoints/*.ckpt")]:
            command += ["--ckpt_path", "last"]
        paths = [str(ROOT / "src"), str(ROOT / "tests")]
        variables |= {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        self._log = (self.folder / "log.txt").open("w+", encoding="utf-8")
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | variables,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def phase(self) -> str:
        """What the process does now."""
        return (self.folder / "phase-0").read_text()[:LONGEST].strip()

    def wait_for(self, phase: str, process: subprocess.Popen[str]) -> None:
        """Until the process is in the phase, or over."""
        started = time.monotonic()
        while process.poll() is None and self.phase() != phase:
            assert time.monotonic() - started < NEVER_S, self.said()
            time.sleep(0.002)

    def said(self) -> str:
        """What the last process has printed."""
        return (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace")

    def finish(self) -> None:
        """Let a process go on to the end."""
        code = self.start().wait(NEVER_S)
        assert code == 0, self.said()

    def end(self, by: signal.Signals, phase: str, delay_s: float) -> str:
        """End a process in a phase, after a delay.

        Returns:
            The phase that it was in; empty where the run was over before.
        """
        process = self.start()
        self.wait_for(phase, process)
        time.sleep(delay_s)
        hit = self.phase()
        if process.poll() is None:
            process.send_signal(by)
        code = process.wait(NEVER_S)
        if code == 0:
            return ""
        assert code == CODES[by] or (code == -by and hit in EARLY), self.said()
        if by != signal.SIGKILL and hit not in EARLY:
            assert "To go on, add --ckpt_path" in self.said(), self.said()
        return hit


def events_of(folder: Path, rank: int = 0) -> list[dict[str, Any]]:
    """All that the processes of a chain did, in order."""
    lines = (folder / f"events-{rank}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def check(events: list[dict[str, Any]], whole: list[dict[str, Any]]) -> int:
    """Compare what a chain did with what a whole run did.

    Returns:
        How many batches and validations were done more than once.
    """

    def key(event: dict[str, Any]) -> tuple[str, int]:
        return (
            "batch" if "draw" in event else "validation",
            event.get("draw", event.get("validated")),
        )

    expected = {key(event): event for event in whole}
    assert len(expected) == len(whole)
    for event in events:
        assert event == expected[key(event)], (event, expected[key(event)])
    assert {key(event) for event in events} == expected.keys()
    return len(events) - len(whole)


def chain(run: Run, ends: Sequence[tuple[signal.Signals, str]], seed: int = 0) -> Counter[str]:
    """End a run by each signal in its phase, in turn, and let it finish; the phases it was ended
    in."""
    randomly = random.Random(seed)
    hits: Counter[str] = Counter()
    for index, (by, phase) in enumerate(ends):
        hit = run.end(by, phase, randomly.uniform(0, DELAYS.get(phase, 0.01)))
        print(f"{by.name} {index}: in {phase}, found {hit or 'none: it was over'}", flush=True)
        if not hit:
            break
        hits[hit] += 1
    run.finish()
    return hits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30, help="of each signal")
    parser.add_argument("--batches", type=int, default=24, help="in an epoch, of two")
    parser.add_argument("--updates", type=int, default=4, help="optimizer steps a batch")
    parser.add_argument("--signals", nargs="+", default=[*NAMES, MIXED])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    drawn = random.Random(args.seed)

    def draw(name: str) -> signal.Signals:
        return signal.Signals[drawn.choice(NAMES) if name == MIXED else name]

    with judge_server(verdict) as server, tempfile.TemporaryDirectory() as scratch:
        whole = Run(Path(scratch, "whole"), server.url, args.batches, args.updates)
        whole.finish()
        for name in args.signals:
            run = Run(Path(scratch, name), server.url, args.batches, args.updates)
            phases = ["before", *(PHASES[i % len(PHASES)] for i in range(args.kills - 1))]
            hits = chain(run, [(draw(name), phase) for phase in phases], args.seed)
            again = check(events_of(run.folder), events_of(whole.folder))
            print(f"{name}: {sum(hits.values())} ends, {dict(hits)}; {again} done again, all equal")


if __name__ == "__main__":
    main()
