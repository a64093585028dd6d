"""How much a trajectory may be shown, and how long it may become."""

from __future__ import annotations

from dataclasses import dataclass

from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.opening import PromptLength
from visionthink_pl.rollout.replies import InvalidCall
from visionthink_pl.types import ConfigError, Trajectory


@dataclass(frozen=True)
class Budget:
    """Limits of prompts and trajectories.

    Args:
        options: of the conversation.
        addressable: tokens that the model can address; ``None`` where nobody says.

    Raises:
        ConfigError: a trajectory may have more tokens than that, or a turn leaves no room for a
            prompt.
    """

    options: ConversationOptions
    addressable: int | None

    def __post_init__(self) -> None:
        options, most = self.options, self.addressable
        own = options.max_trajectory_tokens
        if own is not None and most is not None and own > most:
            raise ConfigError(
                f"rollout.max_trajectory_tokens: at most {most}, which the model can address "
                f"(max_position_embeddings), not {own}"
            )
        if self.tokens is not None and self.tokens <= options.max_new_tokens:
            raise ConfigError(
                f"rollout.max_new_tokens: {options.max_new_tokens} leave no room for a prompt "
                f"within the {self.tokens} tokens that a trajectory may have"
            )

    @property
    def tokens(self) -> int | None:
        """That a trajectory may have in all."""
        own = self.options.max_trajectory_tokens
        return self.addressable if own is None else own

    def too_long(self, prompt: PromptLength) -> str | None:
        """Why a prompt can't be used, if it can't: the reason of a bad row."""
        options = self.options
        length = f"{prompt.tokens} tokens, of which {prompt.visual} are visual"
        if options.max_prompt_tokens is not None and prompt.tokens > options.max_prompt_tokens:
            return f"prompt too long: {length}; at most {options.max_prompt_tokens}"
        if options.max_visual_tokens is not None and prompt.visual > options.max_visual_tokens:
            return (
                f"first look too large: {prompt.visual} visual tokens; at most "
                f"{options.max_visual_tokens}"
            )
        if self.tokens is not None and prompt.tokens + options.max_new_tokens > self.tokens:
            return (
                f"prompt too long: {length}; with a turn of {options.max_new_tokens} at most "
                f"{self.tokens}"
            )
        return None

    def room(self, trajectory: Trajectory) -> int | None:
        """Tokens that a tool response may have, so that a turn still fits behind it; below 0 where
        none does."""
        if self.tokens is None:
            return None
        return self.tokens - len(trajectory.ids) - self.options.max_new_tokens

    def visual_tokens_left(self, trajectory: Trajectory) -> int | None:
        """Visual tokens that may still be shown, at most; ``None`` for any number."""
        most, room = self.options.max_visual_tokens, self.room(trajectory)
        limits = [] if most is None else [most - trajectory.visual_tokens]
        limits += [] if room is None else [room]
        return max(min(limits), 0) if limits else None

    def check(self, trajectory: Trajectory, tokens: int, visual_tokens: int) -> None:
        """Refuse a response that shows too much.

        Raises:
            InvalidCall: it does, in words for the model.
        """
        most, room = self.options.max_visual_tokens, self.room(trajectory)
        left = None if most is None else most - trajectory.visual_tokens
        if left is not None and visual_tokens > left:
            raise InvalidCall(
                f"That would show {visual_tokens} visual tokens; {left} are left. Ask for less, or "
                "answer."
            )
        if room is not None and tokens > room:
            raise InvalidCall(
                f"That would take {tokens} tokens; {max(room, 0)} are left. Ask for less, or "
                "answer."
            )
