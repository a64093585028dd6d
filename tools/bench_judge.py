"""How much longer a step takes with a slow judge than with one that answers at once.

    python tools/bench_judge.py --latency 0.2

Real HTTP on loopback, the embedded model, the same prompts in every draw; modes take their draws
in turn. Judging begins when a trajectory ends; in the last mode it waits until all have, which
tells what that is worth.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lightning import Callback, Trainer
from rich.console import Console
from rich.table import Table

from visionthink_pl.callbacks import RolloutCallback
from visionthink_pl.data import LookCloser, PromptDataModule
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.rewards import APIJudge, JudgeAccuracy
from visionthink_pl.rewards.judge import Case

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from judge_server import Say, case_of, judge_server  # noqa: E402 (its folder comes first)

MODES = ("answers at once", "takes its time", "takes its time, asked when all have ended")


class EveryCase(APIJudge):
    """Asks about each trajectory, also where another has given the same answer; the question tells
    the server how long to wait."""

    asked, latency = 0, 0.0

    def submit(self, case: Case):
        self.asked += 1
        question = f"{case.question} #{self.asked} {self.latency}"
        return super().submit(Case(question, case.truth, case.answer))


def serve(pipe: Connection) -> None:
    """In a process of its own, so that it takes no time of the trainer's."""
    with judge_server(act) as server:
        pipe.send(server.url)
        pipe.recv()


def act(request: dict[str, Any], before: int) -> Say:
    case = case_of(request)
    right = case["candidate_answer"] == case["reference_answer"]
    return Say(f"Score: {int(right)}", after=float(case["question"].rpartition(" ")[2]))


class Alternating(JudgeAccuracy):
    """Takes the modes in turn, draw by draw."""

    def __init__(self, judge: EveryCase, latency: float) -> None:
        super().__init__(judge, weight=0)
        self.every_case, self.latency, self.draw = judge, latency, 0

    @property
    def mode(self) -> str:
        return MODES[self.draw % len(MODES)]

    def begin(self, sample, trajectory) -> None:
        self.every_case.latency = 0.0 if self.mode == MODES[0] else self.latency
        if self.mode != MODES[2] or self._all_have_ended:
            super().begin(sample, trajectory)
        else:
            self._later.append((sample, trajectory))

    def setup(self) -> None:
        super().setup()
        self._later, self._all_have_ended = [], False

    def score(self, group, parts):
        self._all_have_ended = True
        while self._later:
            self.begin(*self._later.pop())
        return super().score(group, parts)

    def finish(self) -> None:
        super().finish()
        self._all_have_ended, self.draw = False, self.draw + 1


class Seconds(Callback):
    """Of the rollouts of each draw, scored."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        self.found.append(batch.rollouts.rollout_s)


def run(args: argparse.Namespace, accuracy: Alternating) -> list[float]:
    """Seconds that the rollouts of each draw took. The reward weighs nothing, so that no group has
    signal and the weights stay as they are."""
    questions = LookCloser(args.prompts)
    rollout = RolloutCallback(
        group_size=args.group_size,
        max_new_tokens=40,
        rewards=[accuracy],
        rows=args.prompts * args.group_size,
    )
    seconds = Seconds()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=len(MODES) * (args.steps + 1),
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            default_root_dir=folder,
            callbacks=[rollout, seconds],
        )
        module = VisionThinkModule(kinds=questions.kinds)
        data = PromptDataModule(questions, prompts_per_step=args.prompts, shuffle=False)
        trainer.fit(module, datamodule=data)
    return seconds.found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latency", type=float, default=0.2, help="of a call, in seconds")
    parser.add_argument("--prompts", type=int, default=12, help="prompts a step")
    parser.add_argument("--group-size", type=int, default=8, help="rollouts a prompt")
    parser.add_argument("--max-concurrency", type=int, default=64, help="calls at once")
    parser.add_argument("--steps", type=int, default=8, help="timed steps, after one that is not")
    args = parser.parse_args()

    ours, theirs = get_context("spawn").Pipe()
    server = get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    judge = EveryCase("made", ours.recv(), api_key_env=None, max_concurrency=args.max_concurrency)
    found = run(args, Alternating(judge, args.latency))
    ours.send("done")
    server.join()
    report(args, {mode: found[i :: len(MODES)][1:] for i, mode in enumerate(MODES)})


def report(args: argparse.Namespace, found: dict[str, list[float]]) -> None:
    """Medians, and by how much they are longer than where the judge answers at once."""
    title = (
        f"Rollouts of a step: {args.prompts * args.group_size} trajectories, "
        f"{args.latency:g} s a call, {args.max_concurrency} calls at once"
    )
    table = Table(title=title, title_justify="left")
    for column in ("judge", "s", "longer by, in calls"):
        table.add_column(column, justify="left" if column == "judge" else "right")
    base = statistics.median(found[MODES[0]])
    for mode, seconds in found.items():
        median = statistics.median(seconds)
        table.add_row(mode, f"{median:.2f}", f"{(median - base) / args.latency:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
