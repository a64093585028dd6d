"""The oracle: one trajectory at a time, by plain calls of the model, everything computed anew.

No caches between turns, no shared prompts, no packing, no features that are kept: each turn is
generated from its whole history, and each trajectory is trained on in a pass of its own. What
truncated sampling leaves is found anew each time, by transformers' own processors.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from transformers import (
    DynamicCache,
    LogitsProcessorList,
    MinPLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from model_helpers import images_for_model
from visionthink_pl.policy import Policy
from visionthink_pl.rollout import Sampling
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.opening import Opening
from visionthink_pl.rollout.replies import InvalidCall, extract_answer
from visionthink_pl.rollout.rows import pick, uniforms
from visionthink_pl.rollout.truncation import Truncation
from visionthink_pl.types import StopReason, Trajectory, Turn, VQASample
from visionthink_pl.visual_tools import ToolFailure, ToolResult, ViewState

NONE = Truncation()


def forward(
    policy: Policy,
    trajectory: Trajectory,
    cache: DynamicCache | None = None,
    position_shift: int = 0,
    truncation: Truncation = NONE,
) -> Tensor:
    """Log-probabilities at every place of a trajectory, shape (T, V).

    The model finds its own positions, unless those of image tokens are to be shifted.
    """
    device = policy.base.device
    ids_1T = torch.tensor([trajectory.ids], device=device)
    shifted = {}
    if position_shift:
        is_image_1T = ids_1T == policy.family.image_token_id
        positions = _positions(policy, trajectory).to(device)
        positions = torch.where(is_image_1T, positions + position_shift, positions)
        shifted["position_ids"] = _for_model(positions)
    logits_TV = policy.base(
        input_ids=ids_1T,
        **images_for_model(policy.family, ids_1T, trajectory.images),
        cache=cache,
        use_cache=cache is not None,
        **shifted,
    ).logits[0]
    return distribution(policy, logits_TV, truncation)


def distribution(policy: Policy, logits_TV: Tensor, truncation: Truncation = NONE) -> Tensor:
    masked_TV = logits_TV.masked_fill(policy.never_sampled_V, float("-inf"))
    return truncated(masked_TV / policy.temperature, truncation).log_softmax(-1)


def truncated(scores_TV: Tensor, truncation: Truncation) -> Tensor:
    """-inf for what is left out, in the order of transformers' ``generate``."""
    warpers = LogitsProcessorList()
    if truncation.top_k > 0:
        warpers.append(TopKLogitsWarper(truncation.top_k))
    if truncation.top_p < 1:
        warpers.append(TopPLogitsWarper(truncation.top_p))
    if truncation.min_p > 0:
        warpers.append(MinPLogitsWarper(truncation.min_p))
    return warpers(None, scores_TV)


def plain_logprobs(
    policy: Policy,
    trajectory: Trajectory,
    position_shift: int = 0,
    truncation: Truncation = NONE,
) -> Tensor:
    """Log-probabilities of the generated ids, shape (K,)."""
    logprobs_TV = forward(policy, trajectory, None, position_shift, truncation)
    places = [t for t, generated in enumerate(trajectory.generated_mask) if generated]
    return torch.stack([logprobs_TV[t - 1, trajectory.ids[t]] for t in places])


def all_logprobs(
    policy: Policy,
    trajectories: Sequence[Trajectory],
    position_shift: int = 0,
    truncation: Truncation = NONE,
) -> Tensor:
    """The same of several trajectories, one after another."""
    return torch.cat([plain_logprobs(policy, t, position_shift, truncation) for t in trajectories])


@torch.no_grad()
def generate_turn(
    policy: Policy,
    trajectory: Trajectory,
    uniform_T: Tensor | None,
    max_new_tokens: int,
    truncation: Truncation = NONE,
) -> tuple[list[int], list[float]]:
    """Generate one turn from the whole history: ids, and their log-probabilities."""
    cache = DynamicCache()
    logprobs_V = forward(policy, trajectory, cache, truncation=truncation)[-1]
    device = policy.base.device
    uniform_T = None if uniform_T is None else uniform_T.to(device)
    positions = _positions(policy, trajectory)
    axes, position = len(positions), int(positions.max()) + 1
    ids: list[int] = []
    values: list[float] = []
    for step in range(max_new_tokens):
        uniform = None if uniform_T is None else uniform_T[step : step + 1]
        chosen = int(pick(logprobs_V[None], uniform))
        ids.append(chosen)
        values.append(float(logprobs_V[chosen]))
        if chosen == policy.family.end_of_turn_id:
            break
        output = policy.base(
            input_ids=torch.tensor([[chosen]], device=device),
            position_ids=_for_model(torch.full((axes, 1, 1), position + step, device=device)),
            cache=cache,
            use_cache=True,
        )
        (logprobs_V,) = distribution(policy, output.logits[0, -1:], truncation)
    return ids, values


def _positions(policy: Policy, trajectory: Trajectory) -> Tensor:
    ids_1T = torch.tensor([trajectory.ids])
    sizes = policy.family.pixels(trajectory.images).sizes
    return policy.family.positions(policy.base, ids_1T, torch.ones_like(ids_1T), sizes)


def _for_model(positions_ANT: Tensor) -> Tensor:
    """As transformers takes them: an only axis is none."""
    return positions_ANT if len(positions_ANT) > 1 else positions_ANT[0]


def rollout(
    policy: Policy,
    conversation: Conversation,
    sampling: Sampling,
    samples: Sequence[VQASample],
    group_size: int,
    draw: int,
    greedy: bool = False,
) -> list[list[Trajectory]]:
    """What ``RolloutEngine.rollout`` does, one trajectory after another."""
    return [
        [
            _converse(
                policy, conversation, sampling, conversation.open(s), f"{draw}/{s.id}/{r}", greedy
            )
            for r in range(group_size)
        ]
        for s in samples
    ]


def _converse(
    policy: Policy,
    conversation: Conversation,
    sampling: Sampling,
    opening: Opening,
    key: str,
    greedy: bool,
) -> Trajectory:
    trajectory = replace(opening.trajectory, turns=[])
    count = sampling.max_new_tokens
    for number in range(sampling.max_turns):
        uniform_T = None if greedy else uniforms(sampling.seed, f"{key}/{number}", count)
        truncation = NONE if greedy else sampling.truncation
        ids, values = generate_turn(policy, trajectory, uniform_T, count, truncation)
        finished = ids[-1] == policy.family.end_of_turn_id
        turn = Turn(ids, values, policy.family.decode(ids[:-1] if finished else ids))
        trajectory.turns.append(turn)
        if not finished:
            trajectory.stop = StopReason.OUT_OF_TOKENS
            return trajectory
        try:
            turn.call = conversation.call(turn.text, trajectory.tools_offered)
            if turn.call is None:
                trajectory.answer = extract_answer(turn.text)
                answered = trajectory.answer is not None
                trajectory.stop = StopReason.ANSWERED if answered else StopReason.NO_ANSWER
                return trajectory
        except InvalidCall as error:
            turn.call_error = str(error)
        if number == sampling.max_turns - 1:
            break
        state = ViewState(opening.sample, opening.full, trajectory.views)
        result = _carry_out(conversation, turn, state)
        given = conversation.response(opening, result).ids
        if problem := _beyond(conversation, trajectory, given):
            turn.call_error, result = problem, ToolResult(problem)
            given = conversation.response(opening, result).ids
        most = conversation.options.max_trajectory_tokens
        if most is not None and len(trajectory.ids) + len(given) + count > most:
            trajectory.stop = StopReason.OUT_OF_LENGTH
            return trajectory
        turn.given_ids, turn.shown = given, result.shown
        turn.visual_tokens = conversation.visual_tokens([view.image for view in result.shown])
    trajectory.stop = StopReason.OUT_OF_TURNS
    return trajectory


def _beyond(conversation: Conversation, trajectory: Trajectory, given: list[int]) -> str | None:
    """Why a response is too much, if it is, and shows something."""
    options, token = conversation.options, conversation._family.image_token_id
    before, now = trajectory.ids.count(token), given.count(token)
    left = (options.max_visual_tokens or 10**9) - before
    room = (options.max_trajectory_tokens or 10**9) - len(trajectory.ids) - options.max_new_tokens
    for tokens, most, words in ((now, left, "show {} visual"), (len(given), room, "take {}")):
        if now and tokens > most:
            what = words.format(tokens)
            return f"That would {what} tokens; {max(most, 0)} are left. Ask for less, or answer."
    return None


def _carry_out(conversation: Conversation, turn: Turn, state: ViewState) -> ToolResult:
    try:
        if turn.call is not None:
            return conversation.run(turn.call, state)
    except InvalidCall as error:
        turn.call_error = str(error)
    except ToolFailure as error:
        turn.call_error, turn.tool_failure = "The tool failed.", str(error)
    return ToolResult(text=turn.call_error or "")
