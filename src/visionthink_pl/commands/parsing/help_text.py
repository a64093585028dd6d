"""Prints ``--help`` of a verb from source, without importing torch; our sections come first."""

from __future__ import annotations

from typing import Any

from jsonargparse import ArgumentParser
from typing_extensions import TypeAliasType

from visionthink_pl.commands.parsing.named import known_classes
from visionthink_pl.commands.parsing.outlines import NO_DEFAULT, Option, literal
from visionthink_pl.commands.parsing.plain_types import NotPlain, classes_of, plain_type
from visionthink_pl.commands.parsing.verbs import (
    POSITIONAL,
    PROGRAM,
    TRAINER_DEFAULTS,
    VERBS,
    WITHOUT_CONFIG,
    Verb,
    by_name,
    nested,
    takes_subclasses,
    verb,
)

TITLES = {
    "model": "what is trained, and how",
    "data": "where prompts come from",
    "rollout": "how answers are sampled and scored",
    "trajectories": "what is written of each answer",
    "alarms": "what is said of a run that has gone wrong",
    "progress": "the progress bar",
    "trainer": "Lightning's Trainer",
}


def print_help(name: str) -> None:
    """Print all options of a verb."""
    of = verb(name)
    positional = POSITIONAL.get(name, ())
    several = {key: of.own[key].written.startswith("tuple") for key in positional}
    usage = [PROGRAM, name, *(f"{key.upper()}{' ...' * several[key]}" for key in positional)]
    usage += [] if name in WITHOUT_CONFIG else ["[--config FILE]"]
    parser = ArgumentParser(
        prog=f"{PROGRAM} {name}",
        description=VERBS[name],
        usage=f"{' '.join(usage)} [--OPTION VALUE ...]",
        epilog=_epilog(of),
    )
    if name not in WITHOUT_CONFIG:
        parser.add_argument("--config", type=str, help="YAML file with the options below.")
    if of.sections and name != "plan":
        parser.add_argument("--print_config", type=str, help="Print the config as it is read.")
    for key, option in of.own.items():
        if key in positional:
            nargs = "*" if several[key] else None
            parser.add_argument(key, metavar=key.upper(), nargs=nargs, help=option.words)
        else:
            _add(parser, key, option)
    for section in of.sections:
        group = parser.add_argument_group(f"{section}: {TITLES[section]}")
        for key, option in of.options(section).items():
            _add(group, f"{section}.{key}", option)
    parser.print_help()


def _epilog(of: Verb) -> str:
    classes = (
        "--rollout.rewards.help ResizePenalty" if of.sections else "--accuracy.help RuleAccuracy"
    )
    return "" if of.name in WITHOUT_CONFIG else f"Options of a class: {classes}."


def _add(parser: Any, key: str, option: Option) -> None:
    """Add one option; for a dataclass, each of its fields."""
    inner = nested(option)
    if inner is None or takes_subclasses(option):
        _add_line(parser, key, option)
    below = f"{key}.NAME" if by_name(option) else key
    for name, field in ((inner.options or {}) if inner else {}).items():
        _add(parser, f"{below}.{name}", field)


def _add_line(parser: Any, key: str, option: Option) -> None:
    parser.add_argument(
        f"--{key}", type=_type(option), default=_default(key, option), help=_help(option)
    )


def _default(key: str, option: Option) -> Any:
    section, _, name = key.partition(".")
    if section == "trainer" and name in TRAINER_DEFAULTS:
        return TRAINER_DEFAULTS[name]
    return None if option.default is NO_DEFAULT else literal(option.default)


def _type(option: Option) -> Any:
    """The type; where it names classes, a stand-in that shows its source text."""
    try:
        return plain_type(option)
    except NotPlain:
        return TypeAliasType(option.written, Any)


def _help(option: Option) -> str:
    words = option.words
    if not words.endswith("."):
        words += "."
    found = {c.path: c.name for base in classes_of(option) for c in known_classes(base)}
    return f"{words} Classes: {', '.join(found.values())}." if found else words
