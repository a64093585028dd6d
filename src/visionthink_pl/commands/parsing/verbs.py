"""The verbs of the command line, and where their options come from. Loads neither torch nor
Lightning."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from visionthink_pl.commands.parsing.outlines import Option, Outline, find, module_of
from visionthink_pl.commands.parsing.plain_types import classes_of

PROGRAM = "visionthink_pl"
PROMPT_TOKENS = 512  # text tokens of a prompt, where nothing limits them
STDOUT = "-"

TRAINER_VERBS = {
    "fit": "Train by a config; validate before, while and after.",
    "validate": "Measure a policy on the validation data.",
    "test": "Measure a policy on the test data.",
    "predict": "Write a policy's answers to a file.",
}
OTHERS = {
    "prepare": "Find out which samples need the full image, and write them as a data set.",
    "plan": "Say what training by a config needs, before any weights are loaded.",
    "export": "Write a trained policy as plain transformers and PEFT load it.",
}
VERBS = TRAINER_VERBS | OTHERS

# Keys whose values come from others.
LINKS = (
    ("rollout.temperature", "model.temperature"),
    ("seed_everything", "rollout.seed"),
    ("seed_everything", "data.seed"),
)
LINKED = {target: source for source, target in LINKS} | {"model.kinds": "data.kinds"}
TRAINER_DEFAULTS: Mapping[str, Any] = {
    "inference_mode": False,
    "log_every_n_steps": 1,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
}
SECTIONS = {  # ours first
    "model": "visionthink_pl.module.VisionThinkModule",
    "data": "visionthink_pl.data.PromptDataModule",
    "rollout": "visionthink_pl.callbacks.RolloutCallback",
    "progress": "visionthink_pl.callbacks.PhaseProgressBar",
    "trainer": "lightning.pytorch.Trainer",
}
WITHOUT_SECTIONS = {
    "prepare": "visionthink_pl.commands.prepare.settings.Settings",
    "export": "visionthink_pl.commands.export.export.Options",
}
OF_THE_LOADERS = ("model", "datamodule", "dataloaders", "train_dataloaders", "val_dataloaders")
SEED = "of all randomness: sampling, adapters, the order of the training prompts."


@dataclass(frozen=True)
class Verb:
    """What a verb takes.

    Attributes:
        name: how it is called.
        own: its options outside of any section, by name.
        sections: by name, the class whose options stand there.
    """

    name: str
    own: Mapping[str, Option]
    sections: Mapping[str, Outline] = field(default_factory=dict)

    def options(self, section: str) -> dict[str, Option]:
        """Options of a section that can be set."""
        options = self.sections[section].options or {}
        return {n: o for n, o in options.items() if f"{section}.{n}" not in LINKED}


def verb(name: str) -> Verb:
    """Read what a verb takes from the sources of its classes."""
    if name in WITHOUT_SECTIONS:
        return Verb(name, _outline(WITHOUT_SECTIONS[name]).options or {})
    sections = {key: _outline(path) for key, path in SECTIONS.items()}
    own = {"seed_everything": _option("seed_everything", "bool | Seed", 0, SEED)}
    if name == "plan":
        own |= {option.name: option for option in _of_plan()}
    else:
        method = sections["trainer"].method(name)
        own |= {n: option for n, option in method.items() if n not in OF_THE_LOADERS}
    return Verb(name, own, sections)


def _outline(path: str) -> Outline:
    found = find(path)
    assert found is not None, f"{path} is not where it was"
    return found


def _option(name: str, annotation: str, default: Any, words: str) -> Option:
    types = ast.parse(annotation, mode="eval").body
    module = module_of("visionthink_pl.types.limits")
    assert module is not None
    return Option(name, types, ast.Constant(default), words, module)


def _of_plan() -> Iterator[Option]:
    yield _option("gpu", "str | None", None, "Memory of a card, such as 24GB.")
    demand = _outline("visionthink_pl.commands.plan.setup.Demand").options or {}
    yield replace(
        demand["prompt_tokens"],
        name="prompt-tokens",
        words="Text tokens of a prompt; by default as many as rollout.max_prompt_tokens leaves, or "
        f"{PROMPT_TOKENS}.",
    )
    yield replace(
        demand["ask_rate"], name="ask-rate", words="Share of rollouts that see the full image."
    )
    yield _option(
        "json", "str | None", None, "Figures as JSON, in place of the table or in a file."
    )
    yield _option("ckpt_path", "str | None", None, "as of fit; not read.")


def nested(option: Option) -> Outline | None:
    """The dataclass that an option is an instance of, if it is of one."""
    classes = list(classes_of(option))
    return classes[0] if len(classes) == 1 and classes[0].is_dataclass else None
