"""Writes the files beside the weights: processor, generation config, conversation, example."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from visionthink_pl.commands.export.probe import made_up_sample
from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.families import load_family
from visionthink_pl.images import FullView, HalfView
from visionthink_pl.policy.load import nf4
from visionthink_pl.rollout.conversation import signature
from visionthink_pl.rollout.prompt_files import QUESTION_SLOT
from visionthink_pl.types import BoxUnit
from visionthink_pl.visual_tools import ResizeImage, ToolResult, VisualTool, Zoom, ZoomPart

CONVERSATION, EXAMPLE = "conversation.json", "example.py"
SHIPPED: tuple[type[VisualTool], ...] = (ResizeImage, Zoom, ZoomPart)


def generation_config(run: Run) -> GenerationConfig:
    """A greedy generation config with the run's limit of tokens; ids that training never samples
    are suppressed."""
    never_V = run.family.never_sampled(run.skeleton.config.text_config.vocab_size)
    return GenerationConfig(
        do_sample=False,
        max_new_tokens=run.options.max_new_tokens,
        eos_token_id=run.family.end_of_turn_id,
        pad_token_id=run.family.pad_id,
        suppress_tokens=never_V.nonzero()[:, 0].tolist(),
    )


def write_processor(run: Run, out: Path) -> None:
    """Write the base's processor and chat template, with the run's pixel limit."""
    family = load_family(run.pretrained, type(run.family), run.family.trust_remote_code)
    family.limit(run.options.limits.max_pixels)
    family.processor.save_pretrained(out)


def has_example(run: Run) -> bool:
    """Whether the example can do what the run does: with the tools that ship, behind half of the
    image or all of it, in the package's own words and without a limit of visual tokens."""
    options = run.options
    ship = all(type(tool) in SHIPPED for tool in options.offered)
    view = isinstance(options.view, FullView if not options.offered else FullView | HalfView)
    own = options.response_template or options.signatures or options.max_visual_tokens
    return ship and view and not own and options.question_template == QUESTION_SLOT


def tools_of(run: Run) -> list[dict[str, Any]]:
    """The tools that the run offers, with what the example needs of them."""
    unit = run.family.box_unit
    return [
        {"name": tool.name, "signature": signature(tool, unit), **example_options(tool, unit)}
        for tool in run.options.offered
        if type(tool) in SHIPPED
    ]


def example_options(tool: VisualTool, unit: BoxUnit | None) -> dict[str, Any]:
    """The options of a tool that ships."""
    if isinstance(tool, Zoom):
        return {"unit": tool.unit or unit, "enlarge": tool.enlarge}
    if isinstance(tool, ZoomPart):
        return {"parts": dict(tool.parts), "enlarge": tool.enlarge}
    return {}


def conversation(run: Run, merged: bool) -> dict[str, Any]:
    """The values of ``conversation.json``, which the example reads.

    Args:
        run: that the weights come from.
        merged: whether whole weights are exported; an adapter needs its base.
    """
    opening = run.conversation.open(made_up_sample())
    example = has_example(run) and run.options.offered
    told = {
        "tool_response": ToolResult(views=opening.full),
        "refusal": ToolResult(text="{reason}"),
    }
    texts = {
        key: run.conversation.response_text(opening, result) if example else None
        for key, result in told.items()
    }
    quantized = run.quantized and not merged
    return {
        "base": None if merged else run.base,
        "dtype": str(run.dtype).removeprefix("torch."),
        "quantization": nf4(run.dtype, run.family).to_dict() if quantized else None,
        "prompt": opening.messages[0]["content"],
        "prompt_with_slot": run.options.text,
        "tools": tools_of(run),
        "max_turns": run.options.max_turns,
        "first_look": "half" if isinstance(run.options.view, HalfView) else "full",
        "prompt_without_tools": run.options.text_without_tools,
        "call": list(run.family.call_tags),
        "image_token": run.family.placeholder,
        **texts,
        "min_pixels": run.options.limits.min_pixels,
        "max_pixels": run.options.limits.max_pixels,
    }


def write_conversation(run: Run, texts: Mapping[str, Any], out: Path) -> None:
    """Write ``conversation.json``, and ``example.py`` where there is one."""
    text = json.dumps(texts, indent=2, ensure_ascii=False)
    (out / CONVERSATION).write_text(text + "\n", encoding="utf-8")
    if has_example(run):
        shutil.copyfile(Path(__file__).with_name(EXAMPLE), out / EXAMPLE)
