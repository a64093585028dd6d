"""Runs an evaluation: answer, score, write, sum up."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich.console import Console

from visionthink_pl.callbacks.trajectory_record import record
from visionthink_pl.commands.answering.answerer import Answerer
from visionthink_pl.commands.answering.modes import Mode, modes_of
from visionthink_pl.commands.evaluate.answers import Answers
from visionthink_pl.commands.evaluate.evaluation_settings import (
    BenchmarkOptions,
    EvaluationSettings,
    fingerprint,
)
from visionthink_pl.commands.prepare.meter import Meter
from visionthink_pl.rewards import score_groups
from visionthink_pl.rewards.benchmarks import Answered
from visionthink_pl.types import Group, UnreadableSample, VQASample
from visionthink_pl.types.memory import memory_for

KEPT = "The answers are kept: the same command resumes from there"


class Evaluation:
    """An evaluation of all modes on all benchmarks.

    Args:
        settings: as built.
        config: the same, as parsed.
        console: for progress.

    Raises:
        ConfigError: the model, or ``out``, can't be used.
    """

    def __init__(
        self, settings: EvaluationSettings, config: Mapping[str, Any], console: Console
    ) -> None:
        self._settings, self._console = settings, console
        self._run = settings.model.find()
        self.modes = modes_of(settings.modes, self._run.options)
        self.answers = Answers(Path(settings.out), fingerprint(settings, config))

    def run(self) -> dict[str, list[dict[str, Any]]]:
        """Answer what is not answered yet; the records of each mode."""
        batches = self._batches()
        done = {mode.name: self.answers.begin(mode, batches) for mode in self.modes}
        missing = [
            (mode, key) for mode in self.modes for key in batches if key not in done[mode.name]
        ]
        if missing:
            self._answer(missing, total=len(self.modes) * sum(self._counts.values()))
        return {mode.name: self.answers.of(mode) for mode in self.modes}

    @property
    def _counts(self) -> dict[str, int]:
        return {name: self._settings.count(name) for name in self._settings.benchmarks}

    def _batches(self) -> dict[tuple[str, int], int]:
        """How many records each batch has, by benchmark and number."""
        size, rollouts = self._settings.prompts_per_batch, self._settings.rollouts
        return {
            (name, number): rollouts * min(size, count - number * size)
            for name, count in self._counts.items()
            for number in range(-(-count // size))
        }

    def _answer(self, missing: Sequence[tuple[Mode, tuple[str, int]]], total: int) -> None:
        settings = self._settings
        for name in dict.fromkeys(name for _, (name, _) in missing):
            options = settings.benchmarks[name]
            (options.reward if options.benchmark is None else options.benchmark).setup()
        sizes = f"the weights of {settings.model.ckpt}"
        with memory_for("loading", sizes, ["set model.precision to bf16"], KEPT):
            answerer = Answerer(
                settings.model, self._run, settings.temperature, settings.rows, settings.seed
            )
        left = sum(self._batches()[key] // settings.rollouts for _, key in missing)
        with Meter(self._console, total, total - left) as meter:
            for mode, (name, number) in missing:
                samples = self._read(name, number, meter)
                records = self._batch(answerer, mode, name, number, samples)
                self.answers.append(mode, records)
                meter.advance(len(samples))

    def _read(self, name: str, number: int, meter: Meter) -> list[VQASample | UnreadableSample]:
        size = self._settings.prompts_per_batch
        source = self._settings.benchmarks[name].data
        indices = range(number * size, min((number + 1) * size, self._counts[name]))
        samples = [source[index] for index in indices]
        for bad in samples:
            if isinstance(bad, UnreadableSample):
                meter.say(f"{name}: sample {bad.id} is left out: {bad.reason}")
        return samples

    def _batch(
        self,
        answerer: Answerer,
        mode: Mode,
        name: str,
        number: int,
        samples: Sequence[VQASample | UnreadableSample],
    ) -> list[dict[str, Any]]:
        """Answer and score one batch; its records, those of unreadable samples among them."""
        settings = self._settings
        readable = [sample for sample in samples if isinstance(sample, VQASample)]
        started = time.perf_counter()
        with memory_for("rolling out", f"{len(samples)} questions", ["lower rows"], KEPT):
            groups = answerer(readable, mode.options, settings.rollouts)
        seconds = (time.perf_counter() - started) / max(len(groups) * settings.rollouts, 1)
        score(groups, settings.benchmarks[name])
        start = {"stage": mode.name, "benchmark": name, "batch": number, "seconds": seconds}
        bad = [sample for sample in samples if isinstance(sample, UnreadableSample)]
        lines = [start | line for group in groups for line in self._records(group, name)]
        lines += [
            start | {"sample": each.id, "unreadable": each.reason}
            for each in bad
            for _ in range(settings.rollouts)
        ]
        return lines

    def _records(self, group: Group, name: str) -> list[dict[str, Any]]:
        benchmark = self._settings.benchmarks[name].benchmark
        pieces = lru_cache(lambda token: self._run.family.decode([token]))
        more = {
            "extra": dict(group.sample.extra),
            "unit": group.sample.id if benchmark is None else benchmark.unit(group.sample),
        }
        lines = []
        for index, trajectory in enumerate(group.trajectories):
            shown = [self.answers.files.image(image) for image in trajectory.images]
            lines.append(record(group, index, shown, pieces) | more)
        return lines


def score(groups: Sequence[Group], options: BenchmarkOptions) -> None:
    """Fill ``group.parts["accuracy"]`` and ``group.rewards``."""
    if options.benchmark is None:
        score_groups(groups, [options.reward])
        return
    answered = [
        Answered(group.sample, trajectory.answer or "")
        for group in groups
        for trajectory in group.trajectories
    ]
    scores = iter(options.benchmark.score(answered))
    for group in groups:
        values = [next(scores) for _ in group.trajectories]
        group.parts["accuracy"], group.rewards = values, list(values)
