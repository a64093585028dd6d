"""The rollout engine: grouped trajectories of up to ``max_turns`` turns.

Each prompt is read once for its group; a row that calls a tool goes on behind the cache that it
has. Rows in their second turn decode beside rows still in their first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.decoder import Decoder, Given
from visionthink_pl.rollout.opening import Opening
from visionthink_pl.rollout.replies import InvalidCall
from visionthink_pl.rollout.rows import Generated, uniforms
from visionthink_pl.rollout.sampling import Sampling
from visionthink_pl.rollout.truncation import Truncation
from visionthink_pl.types import (
    Group,
    RunStopped,
    StopReason,
    Trajectory,
    Turn,
    VQASample,
    images_of,
)
from visionthink_pl.visual_tools import ToolFailure, ToolResult

if TYPE_CHECKING:
    from visionthink_pl.policy import Policy  # with peft, which takes seconds to load

FAILED = "The tool failed."  # what the model is told of an error in it
CHECK_EVERY = 8  # tokens between two looks, on an accelerator, at which rows have ended
GROWTH = 1.5  # times its capacity that a cache grows at least, where there may be several looks
JOIN = 0.25  # rows that asked join the others once they are this share of those that decode


def _ignore(sample: VQASample, trajectory: Trajectory) -> None:
    """Default for ``ended``."""


@dataclass
class _Rollout:
    """A trajectory in progress; ``key`` seeds its random numbers."""

    opening: Opening
    trajectory: Trajectory
    key: str


class RolloutEngine:
    """Samples multi-turn trajectories: prompts in, groups of trajectories out.

    Args:
        policy: the model; its mode (train or eval) is restored afterwards.
        conversation: renders prompts and tool responses.
        sampling: lengths, seed, and which ids may be sampled.
    """

    def __init__(self, policy: Policy, conversation: Conversation, sampling: Sampling) -> None:
        self._policy, self._conversation, self._sampling = policy, conversation, sampling

    @torch.no_grad()
    def rollout(
        self,
        samples: Sequence[VQASample],
        group_size: int,
        draw: int,
        greedy: bool = False,
        ended: Callable[[VQASample, Trajectory], None] = _ignore,
    ) -> list[Group]:
        """Open each sample and roll it out ``group_size`` times: see ``roll_out``.

        Raises:
            RunStopped: a prompt leaves no room for a turn within what the model can address.
        """
        openings = [self._conversation.open(sample) for sample in samples]
        for opening in openings:
            room = self._conversation.budget.room(opening.trajectory)
            if room is not None and room < 0:
                reason = self._conversation.budget.too_long(opening.length)
                raise RunStopped(f"sample {opening.sample.id!r}: {reason}")
        return self.roll_out(openings, group_size, draw, greedy, ended)

    @torch.no_grad()
    def roll_out(
        self,
        openings: Sequence[Opening],
        group_size: int,
        draw: int,
        greedy: bool = False,
        ended: Callable[[VQASample, Trajectory], None] = _ignore,
        keep_bad: bool = False,
    ) -> list[Group]:
        """Roll out each prompt ``group_size`` times.

        What is sampled depends on (seed, draw, sample id, rollout) alone: not on the order of
        the samples, nor on how many are generated at once.

        Args:
            openings: the prompts.
            group_size: trajectories a prompt.
            draw: index of the rollout batch.
            greedy: take the most likely id instead of sampling; log-probabilities are those among
                all ids then, whatever is truncated in sampling.
            ended: called with each trajectory as soon as it ends, while others go on.
            keep_bad: return trajectories with log-probabilities that are not finite: a training
                step skips and names them.

        Raises:
            RunStopped: there is one, and ``keep_bad`` is false.
        """
        rows = [
            self._row(opening, f"{draw}/{opening.sample.id}/{rollout}")
            for opening in openings
            for rollout in range(group_size)
        ]
        was_training = self._policy.training
        self._policy.eval()
        try:
            at_once = max(self._sampling.rows // group_size, 1) * group_size  # whole groups
            for chunk in _chunks(rows, at_once):
                self._converse(chunk, greedy, ended)
        finally:
            self._policy.train(was_training)
        if not keep_bad:
            _refuse_bad(rows)
        grouped = _chunks(rows, group_size)
        return [
            Group(opening.sample, [row.trajectory for row in group], opening.full_look_tokens)
            for opening, group in zip(openings, grouped, strict=True)
        ]

    def _row(self, opening: Opening, key: str) -> _Rollout:
        return _Rollout(opening, replace(opening.trajectory, turns=[]), key)

    def _converse(
        self,
        rows: Sequence[_Rollout],
        greedy: bool,
        ended: Callable[[VQASample, Trajectory], None],
    ) -> None:
        """Decode rows, answering their calls, until each has stopped."""
        prompts = {id(row.opening): row.opening.trajectory for row in rows}
        index_of = {key: index for index, key in enumerate(prompts)}
        decoder = self.decoder(greedy)
        decoder.start(
            [Given(prompt.prompt_ids, prompt.images) for prompt in prompts.values()],
            [index_of[id(row.opening)] for row in rows],
            self._uniforms(rows, greedy),
        )
        waiting: dict[int, Given] = {}
        while decoder.decoding or waiting:
            if waiting and len(waiting) >= JOIN * decoder.decoding:
                asking = [rows[index] for index in waiting]
                decoder.resume(waiting, self._uniforms(asking, greedy))
                waiting = {}
            for index, generated in decoder.run():
                given = self._finish_turn(rows[index], generated)
                if given is None:
                    decoder.stop(index)
                    ended(rows[index].opening.sample, rows[index].trajectory)
                else:
                    waiting[index] = given

    def decoder(self, greedy: bool) -> Decoder:
        """A decoder for rows that are generated at once; a greedy one truncates nothing."""
        check_every = 1 if self._policy.device.type == "cpu" else CHECK_EVERY
        truncation = Truncation() if greedy else self._sampling.truncation
        most = self._sampling.max_new_tokens
        return Decoder(self._policy, most, check_every, truncation, self._growth)

    @property
    def _growth(self) -> float:
        """Of the cache: behind a last turn nothing grows any more, so that where there is one look
        it takes no more than it needs."""
        return GROWTH if self._sampling.max_turns > 2 else 1.0

    def _uniforms(self, rows: Sequence[_Rollout], greedy: bool) -> Tensor | None:
        """The random numbers of each row's next turn."""
        if greedy:
            return None
        seed, count = self._sampling.seed, self._sampling.max_new_tokens
        keys = [f"{row.key}/{len(row.trajectory.turns)}" for row in rows]
        return torch.stack([uniforms(seed, key, count) for key in keys])

    def _finish_turn(self, row: _Rollout, generated: Generated) -> Given | None:
        """Read a turn that was generated: answer its call, or end the trajectory."""
        trajectory = row.trajectory
        text_ids = generated.ids[:-1] if generated.finished else generated.ids
        text = self._conversation.decode(text_ids)
        turn = Turn(generated.ids, generated.logprobs, text, supports=generated.supports)
        trajectory.turns.append(turn)
        if not generated.finished:
            trajectory.stop = StopReason.OUT_OF_TOKENS
            return None
        try:
            turn.call = self._conversation.call(turn.text, trajectory.tools_offered)
        except InvalidCall as error:
            turn.call_error = str(error)
        called = turn.call is not None or turn.call_error is not None
        if not called:
            trajectory.answer = self._conversation.answer(turn.text)
            answered = trajectory.answer is not None
            trajectory.stop = StopReason.ANSWERED if answered else StopReason.NO_ANSWER
        elif len(trajectory.turns) == self._sampling.max_turns:
            trajectory.stop = StopReason.OUT_OF_TURNS
        else:
            return self._respond(row, turn)
        return None

    def _respond(self, row: _Rollout, turn: Turn) -> Given | None:
        """Append the tool's result, or the reason why the call is invalid; end the trajectory where
        there is no room even for that."""
        conversation, response = self._conversation, None
        if turn.call is not None:
            try:
                response = conversation.respond(turn.call, row.opening, row.trajectory)
            except InvalidCall as error:
                turn.call_error = str(error)
            except ToolFailure as error:
                turn.call_error, turn.tool_failure = FAILED, str(error)
        if response is None:
            refusal = ToolResult(text=turn.call_error or "")
            response = conversation.response(row.opening, refusal)
            room = conversation.budget.room(row.trajectory)
            if room is not None and len(response.ids) > room:
                row.trajectory.stop = StopReason.OUT_OF_LENGTH
                return None
        turn.given_ids, turn.shown, turn.visual_tokens = response
        return Given(turn.given_ids, images_of(turn.shown))


def _chunks(rows: Sequence[_Rollout], size: int) -> Iterator[Sequence[_Rollout]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _refuse_bad(rows: Sequence[_Rollout]) -> None:
    for row in rows:
        if not all(map(math.isfinite, row.trajectory.logprobs)):
            raise RunStopped(
                f"the policy gives sample {row.opening.sample.id!r} log-probabilities that are not "
                "finite: its weights are damaged, or the precision is too low for them; try "
                "trainer.precision: 32-true or an earlier checkpoint"
            )
