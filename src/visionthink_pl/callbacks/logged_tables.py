"""Trajectories as rows of a table, in loggers that have tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger, WandbLogger

from visionthink_pl.types import Group

COLUMNS = ("sample", "kind", "question", "truths", "rollout", "turns", "answer", "looked_twice")


def log_rows(
    logger: Logger, name: str, groups: Sequence[Group], advantages: Mapping[int, float], step: int
) -> None:
    """Log a row for each trajectory; loggers without tables get nothing.

    Args:
        logger: of the trainer.
        name: of the table.
        groups: scored.
        advantages: of trajectories that were trained on, by ``id``.
        step: that the table belongs to.
    """
    if not groups or not isinstance(logger, WandbLogger | MLFlowLogger):
        return
    parts = list(groups[0].parts)
    columns = [*COLUMNS, *parts, "reward", "advantage"]
    rows = [
        row(group, index, parts, advantages)
        for group in groups
        for index in range(len(group.trajectories))
    ]
    if isinstance(logger, WandbLogger):
        logger.log_table(f"trajectories/{name}", columns=columns, data=rows, step=step)
        return
    table = {column: [each[place] for each in rows] for place, column in enumerate(columns)}
    file = f"trajectories/{name}_{step}.json"
    logger.experiment.log_table(logger.run_id, data=table, artifact_file=file)


def row(
    group: Group, index: int, parts: Sequence[str], advantages: Mapping[int, float]
) -> list[Any]:
    """One trajectory."""
    sample, trajectory = group.sample, group.trajectories[index]
    return [
        sample.id,
        sample.kind,
        sample.question,
        " | ".join(sample.answers),
        index,
        "\n\n".join(turn.text for turn in trajectory.turns),
        trajectory.answer,
        trajectory.high,
        *(group.parts[part][index] for part in parts),
        group.rewards[index],
        advantages.get(id(trajectory)),
    ]
