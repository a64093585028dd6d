"""What ``RolloutCallback`` refuses: settings that contradict one another."""

from __future__ import annotations

from collections.abc import Sequence

from jsonschema import SchemaError
from jsonschema.validators import validator_for

from visionthink_pl.images import FirstView, FullView
from visionthink_pl.rewards import Reward
from visionthink_pl.rollout.prompt_files import TOOLS_SLOT
from visionthink_pl.types import ConfigError
from visionthink_pl.visual_tools import VisualTool


def check_rewards(rewards: Sequence[Reward]) -> None:
    """Each has a name, names differ, and what a reward needs stands before it.

    Raises:
        ConfigError: one hasn't, they don't, or it doesn't.
    """
    for reward in rewards:
        if not reward.name:
            raise ConfigError(
                f"rollout.rewards: {type(reward).__name__} has no name; write name = '...' in the "
                "class: what it is logged under"
            )
    names = [reward.name for reward in rewards]
    if not names:
        raise ConfigError("rollout.rewards: at least one reward")
    for index, reward in enumerate(rewards):
        if reward.name in names[:index]:
            raise ConfigError(f"rollout.rewards: two rewards are named {reward.name!r}")
        for needed in reward.needs:
            if needed not in names[:index]:
                raise ConfigError(
                    f"rollout.rewards: {reward.name!r} needs a reward named {needed!r} before it"
                )


def check_tools(
    tools: Sequence[VisualTool],
    prompt_name: str,
    prompt: str,
    first_view: FirstView,
    max_turns: int,
) -> None:
    """A tool must say what the prompt tells of it and be on offer somewhere, and a slot for tools
    must be filled.

    Raises:
        ConfigError: it does not, or would not be.
    """
    for tool in tools:
        _check_tool(tool)
    names = ", ".join(tool.name for tool in tools)
    if len({tool.name for tool in tools}) < len(tools):
        raise ConfigError(f"rollout.tools: each needs a name of its own, not {names}")
    if tools and TOOLS_SLOT not in prompt:
        raise ConfigError(
            f"rollout.prompt: {prompt_name!r} has no slot {TOOLS_SLOT}, so it would never offer "
            f"{names}"
        )
    if tools and isinstance(first_view, FullView):
        raise ConfigError(
            f"rollout.tools: {names} would never be offered, since rollout.first_view shows the "
            "full image at once; set tools to [] or first_view to HalfView"
        )
    if tools and max_turns < 2:
        raise ConfigError(
            f"rollout.max_turns: at least 2 where tools ({names}) are offered, not {max_turns}"
        )


def _check_tool(tool: VisualTool) -> None:
    kind = type(tool).__name__
    for what, said in (
        ("name", tool.name),
        ("description", tool.description),
        ("parameters", tool.parameters),
    ):
        if not said:
            raise ConfigError(
                f"rollout.tools: {kind} has no {what}; write {what} = ... in the class: the prompt "
                "tells the model a tool's name, description and parameters"
            )
    try:
        validator_for(tool.parameters).check_schema(dict(tool.parameters))
    except SchemaError as error:
        raise ConfigError(
            f"rollout.tools: {kind}.parameters is no JSON schema: {error.message}"
        ) from error
