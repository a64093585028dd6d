"""Options as read from sources against those that the classes themselves have."""

import inspect
from typing import Any

import pytest
from lightning import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from visionthink_pl import callbacks, data, filters, losses, rewards
from visionthink_pl.cli import CLASSES
from visionthink_pl.command_line.outlines import NO_DEFAULT, find, literal
from visionthink_pl.command_line.plain_types import NotPlain, plain_type
from visionthink_pl.command_line.verbs import LINKED, SECTIONS, TRAINER_VERBS, nested, verb

OURS = [
    getattr(package, name)
    for package in (callbacks, data, losses, rewards)
    for name in package.__all__
    if inspect.isclass(getattr(package, name)) and not inspect.isabstract(getattr(package, name))
] + [filters.DropEmpty, filters.DropOverlong]


@pytest.mark.parametrize(("section", "of"), list(zip(SECTIONS, CLASSES, strict=True)))
def test_keys_are_those_of_the_parser(section: str, of: type) -> None:
    parser = LightningArgumentParser()
    parser.add_lightning_class_args(of, section)
    known = set(parser.get_defaults(skip_validation=True).keys(branches=True)) - set(LINKED)
    read = {section}
    for name, option in verb("fit").options(section).items():
        inner = nested(option)
        read |= {f"{section}.{name}"} | {
            f"{section}.{name}.{field}" for field in ((inner.options or {}) if inner else {})
        }
    assert {key for key in known if key.count(".") < 2} == {k for k in read if k.count(".") < 2}


@pytest.mark.parametrize("name", TRAINER_VERBS)
def test_options_of_a_verb_are_those_of_the_trainer_s_method(name: str) -> None:
    method = inspect.signature(getattr(Trainer, name)).parameters
    skipped = LightningCLI.subcommands()[name] | {"self"}
    assert set(verb(name).own) == {"seed_everything", *(set(method) - skipped)}


@pytest.mark.parametrize("of", OURS, ids=lambda of: of.__name__)
def test_an_outline_has_the_options_of_its_class(of: type) -> None:
    outline = find(f"{of.__module__}.{of.__name__}")
    assert outline is not None
    parameters = inspect.signature(of).parameters
    if outline.options is None:
        assert any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        return
    assert list(outline.options) == list(parameters)
    for name, option in outline.options.items():
        required = parameters[name].default is inspect.Parameter.empty
        assert (option.default is NO_DEFAULT) == required
        default: Any = None if required else literal(option.default)
        if default is not None and not isinstance(default, str):
            assert default == parameters[name].default


@pytest.mark.parametrize(
    ("path", "option", "kind"),
    [
        ("visionthink_pl.module.VisionThinkModule", "micro_batch_size", int),
        ("visionthink_pl.module.VisionThinkModule", "gradient_checkpointing", bool | int),
        ("visionthink_pl.callbacks.RolloutCallback", "max_prompt_tokens", int | None),
        ("visionthink_pl.optimizer.AdamW", "betas", tuple[float, float]),
    ],
)
def test_plain_types(path: str, option: str, kind: Any) -> None:
    outline = find(path)
    assert outline is not None and outline.options is not None
    assert plain_type(outline.options[option]) == kind


def test_a_type_that_names_a_class_is_not_plain() -> None:
    outline = find("visionthink_pl.module.VisionThinkModule")
    assert outline is not None and outline.options is not None
    with pytest.raises(NotPlain):
        plain_type(outline.options["loss"])


@pytest.mark.parametrize("path", ["visionthink_pl.nowhere.X", "nowhere.X", "X", "math.pi"])
def test_no_class(path: str) -> None:
    assert find(path) is None
