"""Tools, prompts, first view, pixel limits and lengths: one value, built in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from visionthink_pl.images import FirstView, FullView, HalfView, PixelLimits
from visionthink_pl.rollout.prompt_files import QUESTION_SLOT, RESULT_SLOT, TOOLS_SLOT, read_prompt
from visionthink_pl.rollout.sampling import Sampling
from visionthink_pl.rollout.truncation import Truncation
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import PositiveInt, check_fields
from visionthink_pl.visual_tools import ResizeImage, VisualTool, check_tool

MANY = 1000  # visual tokens of an image of some size


@dataclass(frozen=True)
class ConversationOptions:
    """What the model sees and may do; the same in training, evaluation, plan, export and prepare.

    Args:
        max_turns: assistant turns a trajectory may have.
        max_new_tokens: tokens that one turn may have.
        max_prompt_tokens: tokens that a prompt may have, those of the first look included; a
            sample with a longer one is a bad row. ``null`` for any number.
        max_visual_tokens: visual tokens that a trajectory may be shown, those of the first look
            included: a call beyond it is refused, and a sample whose first look has more is a bad
            row. ``null`` for any number.
        max_trajectory_tokens: tokens that a trajectory may have in all: the prompt, the turns, and
            the responses to calls. A response that leaves no room for a turn of ``max_new_tokens``
            is refused. ``null`` for as many as the model can address, which is the most.
        tools: what the model may call; by default the paper's ``resize_image``.
        prompt: system prompt where a tool is on offer: the name of one that ships, or a text
            file, with the slot {tools}.
        prompt_without_tools: system prompt where none is.
        question_template: what the user's turn says behind the images, with the slot {question}.
        response_template: what the turn says that answers a call by showing something, with the
            slot {result} for the tool's texts and views; by default that between the family's tags.
        signatures: by a tool's name, the text that stands for it in the slot {tools}; by default
            JSON of its name, description and parameters. These three are for checkpoints that were
            trained with other words: docs/tools.md.
        first_view: what the model is shown first; by default half the width and height.
        limits: pixel limits of the full image, the same in every stage.
    """

    max_turns: PositiveInt = 2
    max_new_tokens: PositiveInt = 512
    max_prompt_tokens: PositiveInt | None = None
    max_visual_tokens: PositiveInt | None = None
    max_trajectory_tokens: PositiveInt | None = None
    tools: list[VisualTool] | None = None
    prompt: str = "look_closer"
    prompt_without_tools: str = "one_look"
    question_template: str = QUESTION_SLOT
    response_template: str | None = None
    signatures: dict[str, str] | None = None
    first_view: FirstView | None = None
    limits: PixelLimits = PixelLimits()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        check_fields(self, "rollout")
        for tool in self.offered:
            check_tool(tool)
        self._check_offer(", ".join(tool.name for tool in self.offered))
        self._check_words()
        if TOOLS_SLOT in self.text_without_tools:
            raise ConfigError(
                f"rollout.prompt_without_tools: {self.prompt_without_tools!r} has the slot "
                f"{TOOLS_SLOT}, but no tool to fill it; take 'one_look' or the like"
            )

    def _check_words(self) -> None:
        """Refuse templates without their slot, and signatures of tools that there are not."""
        for key, text, slot in (
            ("question_template", self.question_template, QUESTION_SLOT),
            ("response_template", self.response_template, RESULT_SLOT),
        ):
            if text is not None and text.count(slot) != 1:
                raise ConfigError(f"rollout.{key}: {text!r} must have the slot {slot} once")
        if unknown := sorted(set(self.signatures or ()) - set(self.tool_names)):
            raise ConfigError(
                f"rollout.signatures: there is no tool {unknown[0]!r}; tools: "
                f"{', '.join(self.tool_names) or 'none'}"
            )

    def _check_offer(self, names: str) -> None:
        """Refuse tools that could never be called."""
        if len({tool.name for tool in self.offered}) < len(self.offered):
            raise ConfigError(f"rollout.tools: each needs a name of its own, not {names}")
        if self.offered and TOOLS_SLOT not in self.text:
            raise ConfigError(
                f"rollout.prompt: {self.prompt!r} has no slot {TOOLS_SLOT}, so it would never "
                f"offer {names}"
            )
        never = [tool.name for tool in self.offered if not adds_to_full(tool)]
        if never and isinstance(self.view, FullView):
            raise ConfigError(
                f"rollout.tools: {', '.join(never)} would never be offered, since "
                "rollout.first_view shows the full image at once; set first_view to HalfView, or "
                "leave it out of tools"
            )
        if self.offered and self.max_turns < 2:
            raise ConfigError(
                f"rollout.max_turns: at least 2 where tools ({names}) are offered, not "
                f"{self.max_turns}"
            )

    def sampling(
        self,
        rows: int,
        seed: int,
        truncation: Truncation = Truncation(),  # noqa: B008 (frozen)
    ) -> Sampling:
        """How trajectories are sampled under these limits."""
        return Sampling(self.max_turns, self.max_new_tokens, rows, seed, truncation)

    @property
    def tool_names(self) -> tuple[str, ...]:
        """Of ``offered``."""
        return tuple(tool.name for tool in self.offered)

    @property
    def limits_prompts(self) -> bool:
        """Whether prompts are to be counted before training."""
        return self.max_prompt_tokens is not None or self.max_visual_tokens is not None

    @cached_property
    def offered(self) -> Sequence[VisualTool]:
        """``tools``, or the paper's ``resize_image``."""
        return (ResizeImage(),) if self.tools is None else tuple(self.tools)

    @cached_property
    def view(self) -> FirstView:
        """``first_view``, or ``HalfView``."""
        return HalfView() if self.first_view is None else self.first_view

    @cached_property
    def text(self) -> str:
        """The system prompt where a tool is on offer."""
        return read_prompt(self.prompt, "rollout.prompt")

    @cached_property
    def text_without_tools(self) -> str:
        """The system prompt where none is."""
        return read_prompt(self.prompt_without_tools, "rollout.prompt_without_tools")


def adds_to_full(tool: VisualTool) -> bool:
    """Whether a tool is offered where all of the image has been shown already."""
    return tool.offers([MANY], [MANY])
