"""Validation, test and prediction: rollouts are counted or returned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lightning import LightningModule

from visionthink_pl.data import PromptDataModule
from visionthink_pl.training.metrics import Tally, evaluation_names, tally_evaluation
from visionthink_pl.training.ranks import gathered
from visionthink_pl.types import ConfigError, Group, PromptBatch, RolloutBatch

if TYPE_CHECKING:
    from visionthink_pl.policy import Policy  # with peft, which takes seconds to load


class EvaluatedModule(LightningModule):
    """A policy that is evaluated on the rollouts that it is handed.

    Args:
        kinds: every kind of sample that metrics are split by.

    Attributes:
        parts: names of the parts of the reward, which the rollout callback says.
        tools: names of the tools that may be offered, likewise.
    """

    def __init__(self, kinds: tuple[str, ...]) -> None:
        super().__init__()
        self.kinds = kinds
        self.parts: tuple[str, ...] = ()
        self.tools: tuple[str, ...] = ()
        self.policy: Policy | None = None
        self._evaluated: Tally | None = None
        self._unreadable = 0

    def setup(self, stage: str) -> None:
        """Find the kinds that metrics are split by, where they were not given.

        Raises:
            ConfigError: nothing names them.
        """
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if not self.kinds and isinstance(data, PromptDataModule):
            self.kinds = data.kinds
        if not self.kinds and stage != "predict":  # predictions are not counted
            raise ConfigError(
                "kinds: with loaders of your own, name every kind of sample, as in "
                "VisionThinkModule(kinds=('chart', 'text')); a PromptDataModule has them itself"
            )

    @property
    def loaded(self) -> Policy:
        """The policy, once ``configure_model`` has run."""
        assert self.policy is not None, "configure_model has not run"
        return self.policy

    def on_validation_epoch_start(self) -> None:
        self._begin_evaluation("val")

    def on_test_epoch_start(self) -> None:
        self._begin_evaluation("test")

    def _begin_evaluation(self, stage: str) -> None:
        self._evaluated = Tally(evaluation_names(stage, self.kinds, self.parts, self.tools))
        self._unreadable = 0

    def validation_step(self, batch: PromptBatch, batch_idx: int) -> None:
        self._evaluate(batch, "val")

    def test_step(self, batch: PromptBatch, batch_idx: int) -> None:
        self._evaluate(batch, "test")

    def _evaluate(self, batch: PromptBatch, stage: str) -> None:
        tally_evaluation(self._tally(), stage, rollouts_of(batch).groups, self.tools)
        self._unreadable += len(batch.unreadable)
        self.loaded.forget_images()

    def on_validation_epoch_end(self) -> None:
        self._log_evaluation("val")

    def on_test_epoch_end(self) -> None:
        self._log_evaluation("test")

    def _log_evaluation(self, stage: str) -> None:
        means = self._tally().over_ranks().means()
        unreadable = sum(gathered(self._unreadable))
        figures = {**means, f"{stage}/unreadable": float(unreadable)}
        self.log_dict(figures, sync_dist=True)  # they are the same on all ranks already

    def predict_step(self, batch: PromptBatch, batch_idx: int) -> list[dict[str, Any]]:
        """One row a sample: what was answered, whether a second look was taken, and the score
        where there is a ground truth; or why its image could not be read."""
        answered = [
            predicted(group, index)
            for group in rollouts_of(batch).groups
            for index in range(len(group.trajectories))
        ]
        self.loaded.forget_images()
        return answered + [{"id": bad.id, "unreadable": bad.reason} for bad in batch.unreadable]

    @property
    def evaluated(self) -> dict[str, Any]:
        """What was counted so far, which JSON can hold."""
        return {"totals": self._tally().totals, "unreadable": self._unreadable}

    @evaluated.setter
    def evaluated(self, before: Mapping[str, Any]) -> None:
        self._tally().totals = before["totals"]
        self._unreadable = before["unreadable"]

    def _tally(self) -> Tally:
        assert self._evaluated is not None, "no evaluation is under way"
        return self._evaluated


def predicted(group: Group, index: int) -> dict[str, Any]:
    """The row of a prediction.

    Args:
        group: of the sample.
        index: of the trajectory in it.
    """
    sample, trajectory = group.sample, group.trajectories[index]
    row: dict[str, Any] = {
        "id": sample.id,
        "kind": sample.kind,
        "question": sample.question,
        "truths": [text for text in sample.answers if text.strip()],
        "answer": trajectory.answer,
        "second_look": trajectory.high,
        "visual_tokens": trajectory.visual_tokens,
        "stop": str(trajectory.stop),
        "turns": [turn.text for turn in trajectory.turns],
    }
    if row["truths"] and "accuracy" in group.parts:
        row["score"] = group.parts["accuracy"][index]
    return row


def rollouts_of(batch: PromptBatch) -> RolloutBatch:
    """The batch's rollouts.

    Raises:
        RuntimeError: nobody has filled them in.
    """
    if batch.rollouts is None:
        raise RuntimeError("the batch has no rollouts: add a RolloutCallback to the trainer")
    return batch.rollouts
