"""Answers to a batch of questions under one conversation."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from visionthink_pl.commands.answering.model_options import ModelOptions
from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.policy import Policy
from visionthink_pl.rollout import RolloutEngine
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import Group, VQASample


class Answerer:
    """A loaded policy that answers questions.

    Args:
        model: where it comes from.
        run: as ``model`` found it.
        temperature: of sampling.
        rows: trajectories generated at once.
        seed: of sampling.
    """

    def __init__(
        self, model: ModelOptions, run: Run, temperature: float, rows: int, seed: int
    ) -> None:
        self._model, self._run, self._rows, self._seed = model, run, rows, seed
        self.policy: Policy = model.load(run, temperature)

    @torch.no_grad()
    def __call__(
        self,
        samples: Sequence[VQASample],
        options: ConversationOptions,
        rollouts: int = 1,
        temperature: float = 0.0,
    ) -> list[Group]:
        """One greedy answer to each question, or several that are sampled.

        Args:
            samples: the questions.
            options: of their conversation.
            rollouts: of each; 1 is greedy.
            temperature: above 0 samples one rollout, too.
        """
        if temperature:
            self.policy.temperature = temperature
        greedy = rollouts == 1 and not temperature
        conversation = Conversation(self._run.family, options)
        engine = RolloutEngine(self.policy, conversation, options.sampling(self._rows, self._seed))
        with self._model.context(self.policy, self._run):
            groups = engine.rollout(samples, rollouts, draw=0, greedy=greedy)
        self.policy.forget_images()
        return groups
