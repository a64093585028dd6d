"""The verbs of the command line and their options, without importing torch or Lightning."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from visionthink_pl.commands.parsing.outlines import Option, Outline, find, module_of
from visionthink_pl.commands.parsing.plain_types import classes_of

PROGRAM = "visionthink_pl"
PROMPT_TOKENS = 512  # text tokens of a prompt, where there is no limit
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
    "evaluate": "Measure a policy on benchmarks, in several modes side by side.",
    "compare": "Say what differs between evaluations, or between training runs.",
    "ask": "Ask a policy a question about images.",
    "serve": "Serve a policy behind an OpenAI-compatible endpoint.",
    "report": "Write a run or an evaluation as one page that opens offline.",
    "export": "Write a trained policy as plain transformers and PEFT load it.",
}
VERBS = TRAINER_VERBS | OTHERS

# (source, target): the target's value is the source's, and can't be set.
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
    "trajectories": "visionthink_pl.callbacks.TrajectoryLog",
    "alarms": "visionthink_pl.callbacks.Alarms",
    "progress": "visionthink_pl.callbacks.PhaseProgressBar",
    "trainer": "lightning.pytorch.Trainer",
}
WITHOUT_SECTIONS = {
    "prepare": "visionthink_pl.commands.prepare.settings.Settings",
    "evaluate": "visionthink_pl.commands.evaluate.evaluation_settings.EvaluationSettings",
    "compare": "visionthink_pl.commands.compare.compare.CompareOptions",
    "ask": "visionthink_pl.commands.ask.ask.AskOptions",
    "serve": "visionthink_pl.commands.serve.serve.ServeOptions",
    "report": "visionthink_pl.commands.report.report.ReportOptions",
    "export": "visionthink_pl.commands.export.export.Options",
}
# Options that stand without their names, and those that stand without a value.
POSITIONAL = {"compare": ("runs",), "ask": ("images", "question"), "report": ("folder",)}
FLAGS = {"export": ("merge",), "ask": ("json",), "serve": ("allow_urls", "allow-urls")}
WITHOUT_CONFIG = ("export", "compare", "ask", "serve", "report")
NOT_OPTIONS = ("model", "datamodule", "dataloaders", "train_dataloaders", "val_dataloaders")
SEED = "of all randomness: sampling, adapters, the order of the training prompts."


@dataclass(frozen=True)
class Verb:
    """A verb and its options.

    Attributes:
        name: of the verb.
        own: options outside of any section, by name.
        sections: by name, the class whose options the section holds.
    """

    name: str
    own: Mapping[str, Option]
    sections: Mapping[str, Outline] = field(default_factory=dict)

    def options(self, section: str) -> dict[str, Option]:
        """Options of a section, without those that are linked."""
        options = self.sections[section].options or {}
        return {n: o for n, o in options.items() if f"{section}.{n}" not in LINKED}


def verb(name: str) -> Verb:
    """Read the options of a verb from the source of its classes."""
    if name in WITHOUT_SECTIONS:
        return Verb(name, _outline(WITHOUT_SECTIONS[name]).options or {})
    sections = {key: _outline(path) for key, path in SECTIONS.items()}
    own = {"seed_everything": _option("seed_everything", "bool | Seed", 0, SEED)}
    if name == "plan":
        own |= {option.name: option for option in _plan_options()}
    else:
        method = sections["trainer"].method(name)
        own |= {n: option for n, option in method.items() if n not in NOT_OPTIONS}
    return Verb(name, own, sections)


def _outline(path: str) -> Outline:
    found = find(path)
    assert found is not None, f"there is no class {path}"
    return found


def _option(name: str, annotation: str, default: Any, words: str) -> Option:
    types = ast.parse(annotation, mode="eval").body
    module = module_of("visionthink_pl.types.limits")
    assert module is not None
    return Option(name, types, ast.Constant(default), words, module)


def _plan_options() -> Iterator[Option]:
    yield _option("gpu", "str | None", None, "Memory of a card, such as 24GB.")
    demand = _outline("visionthink_pl.commands.plan.setup.Demand").options or {}
    yield replace(
        demand["prompt_tokens"],
        name="prompt-tokens",
        words="Text tokens of a prompt; by default as many as rollout.max_prompt_tokens leaves, or "
        f"{PROMPT_TOKENS}.",
    )
    yield replace(demand["ask_rate"], name="ask-rate", words="Share of rollouts that call a tool.")
    yield replace(
        demand["looks"],
        words="Calls of each of them that show something; by default as many as it has turns for.",
    )
    yield _option(
        "json", "str | None", None, "Figures as JSON, in place of the table or in a file."
    )
    yield _option("ckpt_path", "str | None", None, "taken as by fit; not read.")


def all_words(verb: Verb) -> Iterator[tuple[str, str]]:
    """Every key with its description, fields of dataclasses included."""
    yield "config", "YAML file"
    for name, option in verb.own.items():
        yield name, option.words
    for section in verb.sections:
        yield section, ""
        for name, option in verb.options(section).items():
            yield f"{section}.{name}", option.words
            inner = nested(option)
            for below in (inner.options or {}).values() if inner else ():
                yield f"{section}.{name}.{below.name}", below.words


def nested(option: Option) -> Outline | None:
    """The dataclass whose fields stand below the option: its type, or the class of its default
    where the type has subclasses; ``None`` where there is none."""
    classes = list(classes_of(option))
    if len(classes) != 1 or not classes[0].is_dataclass:
        return None
    return _class_of_default(option) if classes[0].is_abstract else classes[0]


def takes_subclasses(option: Option) -> bool:
    """Whether the option's value may name a class of one's own."""
    return any(of.is_abstract for of in classes_of(option))


def _class_of_default(option: Option) -> Outline | None:
    if not isinstance(option.default, ast.Call):
        return None
    return find(f"{option.module.name}.{ast.unparse(option.default.func)}")


def by_name(option: Option) -> bool:
    """Whether the option's type is a dict of such dataclasses."""
    match option.annotation:
        case ast.Subscript(value=ast.Name(id="dict")):
            return True
    return False
