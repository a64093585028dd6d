"""Options as read from source are those of the imported classes."""

import inspect
from pathlib import Path
from typing import Annotated, Any

import pytest
from annotated_types import Ge, Gt, Lt, Unit
from lightning import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from visionthink_pl import callbacks, data, losses, rewards, training
from visionthink_pl.commands.parsing.outlines import NO_DEFAULT, find, literal
from visionthink_pl.commands.parsing.plain_types import (
    NotPlain,
    classes_of,
    limited_type,
    plain_type,
)
from visionthink_pl.commands.parsing.verbs import LINKED, SECTIONS, TRAINER_VERBS, nested, verb
from visionthink_pl.commands.trainer.cli import CLASSES
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import limits

OURS = [
    getattr(package, name)
    for package in (callbacks, data, losses, rewards, training)
    for name in package.__all__
    if inspect.isclass(getattr(package, name)) and not inspect.isabstract(getattr(package, name))
]


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
    parameters = dict(inspect.signature(of).parameters)
    if of is callbacks.RolloutCallback:
        del parameters["conversation"]  # its **kwargs
        parameters |= inspect.signature(ConversationOptions).parameters
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
        ("visionthink_pl.training.optimizer.AdamW", "betas", tuple[float, float]),
    ],
)
def test_plain_types(path: str, option: str, kind: Any) -> None:
    outline = find(path)
    assert outline is not None and outline.options is not None
    assert plain_type(outline.options[option]) == kind


LIMITED = """
from __future__ import annotations
from typing import Annotated
from annotated_types import Ge, Gt, Unit
from pydantic import Field
from visionthink_pl.types.limits import Seed as Start, Share
from visionthink_pl.training.optimizer import Decay
Mine = Annotated[int, Ge(3)]
Again = Mine

class Some:
    def __init__(
        self,
        written: Annotated[float, Gt(0.5), Unit("bits"), "a reason"],
        ours: Share,
        renamed: Start,
        elsewhere: Decay,
        mine: Again,
        either: bool | Mine,
        absent: Mine = None,
        pair: tuple[Mine, Share] = (3, 1),
    ) -> None: ...

class Other:
    def __init__(self, a: Annotated[int, Field(ge=1)], b: Annotated[int, Ge(len("a"))]) -> None: ...
"""


@pytest.fixture
def limited_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"limited_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(LIMITED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_limits_are_read_from_the_source(limited_module: str) -> None:
    of = find(f"{limited_module}.Some")
    assert of is not None and of.options is not None
    mine = Annotated[int, Ge(3)]
    expected = {
        "written": Annotated[float, Gt(0.5), Unit("bits"), "a reason"],
        "ours": limits.Share,
        "renamed": limits.Seed,
        "elsewhere": Annotated[float, Ge(0), Lt(1)],
        "mine": mine,
        "either": bool | mine,
        "absent": mine | None,
        "pair": tuple[mine, limits.Share],
    }
    assert {name: limited_type(option) for name, option in of.options.items()} == expected
    assert plain_type(of.options["absent"]) == int | None
    assert plain_type(of.options["pair"]) == tuple[int, float]
    assert [list(classes_of(option)) for option in of.options.values()] == [[]] * len(expected)


@pytest.mark.parametrize("option", ["a", "b"])
def test_limits_that_are_not_known_are_left_to_the_parser(option: str, limited_module: str) -> None:
    of = find(f"{limited_module}.Other")
    assert of is not None and of.options is not None
    with pytest.raises(NotPlain):
        limited_type(of.options[option])


def test_a_type_that_names_a_class_is_not_plain() -> None:
    outline = find("visionthink_pl.module.VisionThinkModule")
    assert outline is not None and outline.options is not None
    with pytest.raises(NotPlain):
        plain_type(outline.options["loss"])


@pytest.mark.parametrize("path", ["visionthink_pl.nowhere.X", "nowhere.X", "X", "math.pi"])
def test_no_class(path: str) -> None:
    assert find(path) is None
