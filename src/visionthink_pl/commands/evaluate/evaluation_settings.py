"""The settings of ``evaluate``, and which of them the answers depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionthink_pl.commands.answering.model_options import ModelOptions
from visionthink_pl.commands.answering.modes import ADAPTIVE, HIGH, LOW
from visionthink_pl.data import Source
from visionthink_pl.rewards import Reward, RuleAccuracy
from visionthink_pl.rewards.benchmarks import Benchmark
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import PositiveFloat, PositiveInt, Seed, check_fields


@dataclass(frozen=True)
class BenchmarkOptions:
    """A benchmark.

    Args:
        data: its questions.
        benchmark: how a published benchmark scores answers.
        accuracy: a reward that says what is correct, where ``benchmark`` is not given; by default
            ``RuleAccuracy``.
    """

    data: Source
    benchmark: Benchmark | None = None
    accuracy: Reward | None = None

    def __post_init__(self) -> None:
        if self.benchmark is not None and self.accuracy is not None:
            raise ConfigError("benchmarks: benchmark or accuracy says what is correct, not both")
        if self.accuracy is not None and self.accuracy.name != "accuracy":
            raise ConfigError(
                "benchmarks: accuracy: a reward that says what is correct, such as RuleAccuracy, "
                f"not {type(self.accuracy).__name__}"
            )

    @property
    def reward(self) -> Reward:
        """``accuracy``, or ``RuleAccuracy``."""
        return RuleAccuracy() if self.accuracy is None else self.accuracy


@dataclass(frozen=True)
class EvaluationSettings:
    """Measure a policy on benchmarks, in several modes side by side.

    Args:
        benchmarks: by name, what is asked and how answers are scored.
        out: folder for answers, summary and picture.
        model: the policy that answers.
        modes: ways to show the image: ``adaptive`` as in training; in one look without a tool
            ``always_low`` (the run's first view), ``always_high`` (the full image) and
            ``fixed_ratio: R`` (that share of its pixels).
        rollouts: answers to each question: 1 is greedy, more are sampled.
        temperature: of sampling.
        limit: questions of each benchmark, from its start; ``null`` for all.
        rows: trajectories generated at once; memory grows with it.
        prompts_per_batch: questions that are answered before they are written; a kill loses at
            most these.
        baseline: folder of another evaluation of the same questions, to compare with.
        seed: of sampling and of intervals.
    """

    benchmarks: dict[str, BenchmarkOptions]
    out: str
    model: ModelOptions = ModelOptions()  # noqa: RUF009 (frozen)
    modes: tuple[str | dict[str, float], ...] = (ADAPTIVE, LOW, HIGH)
    rollouts: PositiveInt = 1
    temperature: PositiveFloat = 1.0
    limit: PositiveInt | None = None
    rows: PositiveInt = 64
    prompts_per_batch: PositiveInt = 64
    baseline: str | None = None
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.benchmarks:
            raise ConfigError("benchmarks: at least one")
        if self.baseline is not None and not (Path(self.baseline) / "summary.json").is_file():
            raise ConfigError(f"baseline: there is no summary.json in {self.baseline!r}")

    def count(self, name: str) -> int:
        """How many questions of a benchmark are asked."""
        length = len(self.benchmarks[name].data)
        return length if self.limit is None else min(length, self.limit)


# What answers do not depend on.
INDEPENDENT = ("config", "out", "modes", "rows", "baseline", "model.device")


def fingerprint(settings: EvaluationSettings, config: Mapping[str, Any]) -> dict[str, Any]:
    """What answers depend on, as JSON values: a folder's answers go on only under the same.

    Args:
        settings: as built.
        config: the same, as parsed.
    """
    kept = {key: value for key, value in config.items() if key not in INDEPENDENT}
    model = {key: value for key, value in config["model"].items() if key != "device"}
    sizes = {name: settings.count(name) for name in settings.benchmarks}
    return {**kept, "model": model, "questions": sizes}
