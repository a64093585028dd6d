"""Writes the part of the run's config that answering needs into the exported folder."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from visionthink_pl.commands.export.find import CONFIG, PROMPT_KEYS, conversation_keys
from visionthink_pl.commands.export.training_run import Run

OF_MODEL = ("family", "trust_remote_code", "lora")


def write_config(run: Run, out: Path) -> None:
    """Write ``config.yaml`` and the texts of the prompts, by which the folder answers as the run
    did; nothing where the run's config is not known.

    A base in a local folder is named by its full path, prompts relative to ``out``.

    Args:
        run: that the weights come from.
        out: folder to write into.
    """
    if run.config_file is None:
        return
    texts = dict(zip(PROMPT_KEYS, (run.options.text, run.options.text_without_tools), strict=True))
    for key, text in texts.items():
        (out / f"{key}.txt").write_text(text + "\n", encoding="utf-8")
    named = run.pretrained == "embedded" or run.on_hub
    model = {key: run.config["model"][key] for key in OF_MODEL if key in run.config["model"]}
    config = {
        "trainer": {"precision": run.config["trainer"].get("precision")},
        "model": {"pretrained": run.pretrained if named else run.base, **model},
        "rollout": conversation_keys(run.config["rollout"]) | {key: f"{key}.txt" for key in texts},
    }
    (out / CONFIG).write_text(OmegaConf.to_yaml(config), encoding="utf-8")
