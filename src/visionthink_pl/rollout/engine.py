"""The rollout engine: grouped trajectories of up to ``max_turns`` turns.

The plain version: every turn is generated from the whole history, each copy of a prompt for
itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from visionthink_pl.conversation import Conversation, InvalidCall, Opening, extract_answer
from visionthink_pl.policy import Policy
from visionthink_pl.rollout.decoder import Generated, generate_turn, uniforms
from visionthink_pl.types import Group, StopReason, Trajectory, Turn, VQASample
from visionthink_pl.visual_tools import ToolResult, ViewState


@dataclass(frozen=True)
class Sampling:
    """How trajectories are sampled.

    Attributes:
        max_turns: assistant turns a trajectory may have.
        max_new_tokens: tokens that one turn may have.
        rows: how many trajectories are generated at once.
        seed: of all randomness.
    """

    max_turns: int
    max_new_tokens: int
    rows: int
    seed: int


@dataclass
class _Row:
    """A trajectory while it is being made; ``key`` names its randomness."""

    opening: Opening
    trajectory: Trajectory
    state: ViewState
    key: str


class RolloutEngine:
    """Lets a policy talk: prompts in, groups of trajectories out.

    Args:
        policy: the model; its mode (train or eval) is restored afterwards.
        conversation: renders prompts and tool responses.
        sampling: lengths and seed.
    """

    def __init__(self, policy: Policy, conversation: Conversation, sampling: Sampling) -> None:
        self._policy, self._conversation, self._sampling = policy, conversation, sampling

    def rollout(
        self, samples: Sequence[VQASample], group_size: int, draw: int, greedy: bool = False
    ) -> list[Group]:
        """Roll out each sample ``group_size`` times.

        What is sampled depends on (seed, draw, sample id, rollout) alone: not on the order of
        the samples, nor on how many are generated at once.

        Args:
            samples: the prompts.
            group_size: trajectories a prompt.
            draw: index of the rollout batch.
            greedy: take the most likely id instead of sampling.
        """
        openings = [self._conversation.open(sample) for sample in samples]
        rows = [
            self._row(opening, f"{draw}/{sample.id}/{rollout}")
            for sample, opening in zip(samples, openings, strict=True)
            for rollout in range(group_size)
        ]
        was_training = self._policy.training
        self._policy.eval()
        try:
            self._take_turns(rows, greedy)
        finally:
            self._policy.train(was_training)
        grouped = _chunks(rows, group_size)
        return [
            Group(sample, [row.trajectory for row in group], opening.full_look_tokens)
            for sample, opening, group in zip(samples, openings, grouped, strict=True)
        ]

    def _row(self, opening: Opening, key: str) -> _Row:
        start = opening.trajectory
        trajectory = replace(start, images=list(start.images), turns=[])
        return _Row(opening, trajectory, ViewState(opening.high), key)

    def _take_turns(self, rows: Sequence[_Row], greedy: bool) -> None:
        for turn in range(self._sampling.max_turns):
            active = [row for row in rows if row.trajectory.stop is None]
            for chunk in _chunks(active, self._sampling.rows):
                for row, generated in zip(chunk, self._generate(chunk, turn, greedy), strict=True):
                    last = turn == self._sampling.max_turns - 1
                    self._finish_turn(row, generated, last)

    def _generate(self, rows: Sequence[_Row], turn: int, greedy: bool) -> list[Generated]:
        count = self._sampling.max_new_tokens
        uniform_NT = None
        if not greedy:
            seed = self._sampling.seed
            drawn = [uniforms(seed, f"{row.key}/{turn}", count) for row in rows]
            uniform_NT = torch.stack(drawn).to(self._policy.base.device)
        trajectories = [row.trajectory for row in rows]
        return generate_turn(self._policy, trajectories, uniform_NT, count)

    def _finish_turn(self, row: _Row, generated: Generated, last: bool) -> None:
        """Read a turn that was generated; answer its call, or end the trajectory."""
        trajectory = row.trajectory
        text_ids = generated.ids[:-1] if generated.finished else generated.ids
        turn = Turn(generated.ids, generated.logprobs, self._policy.family.decode(text_ids))
        trajectory.turns.append(turn)
        if not generated.finished:
            trajectory.stop = StopReason.OUT_OF_TOKENS
            return
        try:
            turn.call = self._conversation.call(turn.text, trajectory.tools_offered)
        except InvalidCall as error:
            turn.call_error = str(error)
        called = turn.call is not None or turn.call_error is not None
        if not called:
            trajectory.answer = extract_answer(turn.text)
            answered = trajectory.answer is not None
            trajectory.stop = StopReason.ANSWERED if answered else StopReason.NO_ANSWER
        elif last:
            trajectory.stop = StopReason.OUT_OF_TURNS
        else:
            self._respond(row, turn)

    def _respond(self, row: _Row, turn: Turn) -> None:
        """Give the model the result of its call, or tell it what was wrong with it."""
        result = ToolResult()
        if turn.call is not None:
            try:
                result = self._conversation.run(turn.call, row.state)
            except InvalidCall as error:
                turn.call_error = str(error)
        if turn.call_error is not None:
            result = ToolResult(text=turn.call_error)
        trajectory = row.trajectory
        turn.given_ids = self._conversation.response_ids(row.opening.messages, result)
        trajectory.images += result.images
        trajectory.visual_tokens += sum(map(self._policy.family.visual_tokens, result.images))
        trajectory.high = row.state.high_shown


def _chunks(rows: Sequence[_Row], size: int) -> Iterator[Sequence[_Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
