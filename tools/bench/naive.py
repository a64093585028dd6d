"""The oracle of the tests as a contender: one trajectory at a time, everything computed anew."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from bench.ours import Contender as Ours
from bench.ours import call_of
from visionthink_pl.rollout.rows import uniforms
from visionthink_pl.types import Trajectory, Turn, VQASample

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from equivalence import naive  # noqa: E402 (its folder comes first)


class Contender(Ours):
    """The same model and the same turns, by the oracle."""

    def _watch(self) -> None:
        self.parts.watch(naive, "generate_turn", "generation")
        self.parts.watch(self.optimizer, "step", "optimizer")

    def step(self) -> None:
        trajectories = []
        for index in range(self.work.prompts):
            opening = self.conversation.open(VQASample(str(index), "", "", (), ""))
            for rollout in range(self.work.group_size):
                trajectories.append(self._converse(opening, rollout))
        with self.parts.of("update"):
            self._update_each(trajectories)

    def _converse(self, opening, rollout: int) -> Trajectory:
        trajectory = replace(opening.trajectory, turns=[])
        count = self.work.new_tokens
        turns = self.work.turns if rollout < self.work.asking else 1
        for number in range(turns):
            uniform_T = uniforms(0, f"{rollout}/{number}", count)
            ids, logprobs = naive.generate_turn(self.policy, trajectory, uniform_T, count)
            turn = Turn(ids, logprobs, "")
            trajectory.turns.append(turn)
            if number < turns - 1:
                state = self.conversation.state(opening, trajectory)
                result = self.conversation.run(call_of(rollout, number + 1), state)
                turn.given_ids = self.conversation.response(opening, result).ids
                turn.shown = result.shown
        return trajectory

    def _update_each(self, trajectories: list[Trajectory]) -> None:
        self.policy.train()
        for index, trajectory in enumerate(trajectories):
            logprobs_K = naive.plain_logprobs(self.policy, trajectory)
            ratio_K = torch.exp(logprobs_K - logprobs_K.detach())
            (-ratio_K * (-1.0) ** index).mean().div(len(trajectories)).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
