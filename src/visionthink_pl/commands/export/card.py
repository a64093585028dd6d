"""Writes the model card: training, data and results; what is not known is called unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from visionthink_pl.commands.export.layout import CONVERSATION, EXAMPLE, has_example
from visionthink_pl.commands.export.merge import Merged
from visionthink_pl.commands.export.trained import Trained
from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.commands.export.validation import validations
from visionthink_pl.images import HalfView

UNKNOWN = "unknown: the run's config was not found"
OWN = (
    "The run had tools, views, words or limits of its own; the model needs them as they were in "
    "training."
)
ONCE = f"The image is shown in full at once. `python {EXAMPLE} photo.png QUESTION` asks the model."


def write_card(
    run: Run, trained: Trained, merged: Merged | None, texts: Mapping[str, Any], out: Path
) -> None:
    """Write ``README.md``.

    Args:
        run: that the weights come from.
        trained: the trained weights.
        merged: the whole model; ``None`` where an adapter is exported.
        texts: the values of ``conversation.json``.
        out: folder to write into.
    """
    paragraphs = [
        _front_matter(run, trained, whole=merged is not None),
        f"# {run.base_name}, taught when to look closer",
        "Trained with visionthink_pl after VisionThink (arXiv 2507.13348).",
        *("## Use", _use(run)),
        f"The texts of the conversation are in `{CONVERSATION}`. The system prompt"
        + (":" if run.config_file else " is the default's; the run's is unknown:"),
        _fenced(texts["prompt"], "text"),
        "Decoding is greedy, without a repetition penalty.",
        *("## Training", _training(run, trained)),
        *([] if merged is None else [_rounding(run, trained, merged)]),
        *("## Data", _data(run)),
        *("## Validation", _validation(run, trained)),
        *("## Config", _config(run)),
    ]
    (out / "README.md").write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")


def _use(run: Run) -> str:
    if not has_example(run):
        return OWN
    if not run.options.offered:
        return ONCE
    half = isinstance(run.options.view, HalfView)
    first = "at half its width and height" if half else "in full"
    return (
        f"The image is shown {first}; where the model calls a tool, it is shown what it asks for. "
        f"`python {EXAMPLE} photo.png QUESTION` does so with plain transformers."
    )


def _front_matter(run: Run, trained: Trained, whole: bool) -> str:
    values: dict[str, Any] = {
        **({"base_model": run.pretrained} if run.on_hub else {}),
        "library_name": "transformers" if whole else "peft",
        "pipeline_tag": "image-text-to-text",
        "tags": ["visionthink", "grpo", *([] if trained.adapter is None else ["lora"])],
    }
    return f"---\n{OmegaConf.to_yaml(values)}---"


def _training(run: Run, trained: Trained) -> str:
    rows = {
        "base": run.base_name,
        "trained": _what(run, trained),
        "base held in": "4 bits (nf4)" if run.quantized else str(run.dtype).removeprefix("torch."),
        "optimizer steps": trained.step,
        "rollout batches": trained.batches,
    }
    if run.config_file is None:
        rows["base held in"] = UNKNOWN
    cells = [[name, "unknown" if value is None else str(value)] for name, value in rows.items()]
    return _table(["", ""], cells)


def _what(run: Run, trained: Trained) -> str:
    if trained.adapter is not None:
        return f"LoRA, r = {trained.adapter.r}, alpha = {trained.adapter.lora_alpha}"
    tower = any(name.startswith(f"{run.family.vision_tower}.") for name in trained.tensors)
    return f"all weights of the language model{' and the vision tower' if tower else ''}"


def _rounding(run: Run, trained: Trained, merged: Merged) -> str:
    onto = " onto the weights that the 4-bit base stands for" if run.quantized else ""
    how = "" if trained.adapter is None else f"The adapter was merged{onto}. "
    dtype = str(run.dtype).removeprefix("torch.")
    weights, logprobs = merged.weights, merged.logprobs
    return (
        f"{how}Saved in {dtype}: rounding moved the trained weights by {weights.largest:.2g} at "
        f"most and {weights.mean:.2g} in the mean. Log-probabilities of one made-up answer "
        f"({logprobs.count} tokens) differ from those of the policy as trained by "
        f"{logprobs.largest:.2g} nats at most and {logprobs.mean:.2g} in the mean."
    )


def _data(run: Run) -> str:
    if run.config_file is None:
        return UNKNOWN
    sources = {key: run.config.get("data", {}).get(key) for key in ("train", "validation")}
    return _fenced(OmegaConf.to_yaml(sources), "yaml")


def _validation(run: Run, trained: Trained) -> str:
    """A table with one row per metric of greedy validation, before training and last."""
    if run.config_file is None:
        return UNKNOWN
    before, after = validations(run.config_file.parent, trained.batches)
    if before is None and after is None:
        return "unknown: no validation was found in the run's TensorBoard log"
    columns = [("before training", before), ("last", after)]
    if after is not None:
        columns[1] = (f"after {after.batches} rollout batches", after)
    names = sorted({name for _, found in columns if found for name in found.values})
    rows = [
        [
            f"`{name}`",
            *(
                f"{found.values[name]:.4g}" if found and name in found.values else "unknown"
                for _, found in columns
            ),
        ]
        for name in names
    ]
    return _table(["metric", *(title for title, _ in columns)], rows)


def _config(run: Run) -> str:
    if run.config_file is None:
        return UNKNOWN
    return _fenced(run.config_file.read_text(encoding="utf-8"), "yaml")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _fenced(text: str, language: str) -> str:
    return f"````{language}\n{text.strip()}\n````"
