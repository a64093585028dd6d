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
from visionthink_pl.visual_tools import ResizeImage, ToolResult

CONVERSATION, EXAMPLE = "conversation.json", "example.py"


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


def looks(run: Run) -> int | None:
    """Number of looks in the example: 2 where the model may ask for the full image, 1 where it is
    shown at once; ``None``, and no example, where the run has other tools or views."""
    view = run.options.view
    if not run.options.offered and isinstance(view, FullView):
        return 1
    paper = [type(tool) for tool in run.options.offered] == [ResizeImage] and isinstance(
        view, HalfView
    )
    return 2 if paper else None


def conversation(run: Run, merged: bool) -> dict[str, Any]:
    """The values of ``conversation.json``, which the example reads.

    Args:
        run: that the weights come from.
        merged: whether whole weights are exported; an adapter needs its base.
    """
    opening = run.conversation.open(made_up_sample())
    answer = ToolResult(views=opening.full)
    two = looks(run) == 2
    quantized = run.quantized and not merged
    return {
        "base": None if merged else run.base,
        "dtype": str(run.dtype).removeprefix("torch."),
        "quantization": nf4(run.dtype, run.family).to_dict() if quantized else None,
        "prompt": opening.messages[0]["content"],
        "prompt_without_tools": run.options.text_without_tools,
        "call": run.family.call_tags[0],
        "image_token": run.family.placeholder,
        "tool_response": run.conversation.response_text(opening, answer) if two else None,
        "min_pixels": run.options.limits.min_pixels,
        "max_pixels": run.options.limits.max_pixels,
    }


def write_conversation(run: Run, texts: Mapping[str, Any], out: Path) -> None:
    """Write ``conversation.json``, and ``example.py`` where there is one."""
    text = json.dumps(texts, indent=2, ensure_ascii=False)
    (out / CONVERSATION).write_text(text + "\n", encoding="utf-8")
    if looks(run) is not None:
        shutil.copyfile(Path(__file__).with_name(EXAMPLE), out / EXAMPLE)
