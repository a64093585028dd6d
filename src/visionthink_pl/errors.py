"""One line that says what was wrong with a config, and the nearest right key."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_type_hints

from visionthink_pl.types import ConfigError

UNKNOWN_KEY = (  # how jsonargparse words it, on the command line and in a file
    re.compile(r"unrecognized arguments: --(?P<key>[\w.]+)"),
    re.compile(r"does not accept option '(?P<key>[\w.]+)'"),
    re.compile(r'Key "(?P<key>[\w.]+)" is not expected'),
)
CLASS_PROBLEM = re.compile(
    r"Problem with given class_path '(?P<path>[\w.]+)':\s*(?P<why>.+?)"
    r"(?=\n\s*- Expected|\n\s*Given value type|$)",
    re.DOTALL,
)
NO_OPTION = re.compile(r"Option '(?P<key>[\w.]+)' is not accepted")
NO_FIELD = re.compile(r"Group '(?P<group>\w+)' does not accept option '(?P<key>\w+)'")
NO_ATTRIBUTE = re.compile(r"has no attribute")
NO_PATH = re.compile(r"Expected a dot import path string: (?P<name>\w+)")
NO_FIT = re.compile(  # the first subtype of a union says why; that it isn't null says nothing
    r"Errors:\s*- (?P<why>.+?)(?=\n\s*- Expected a <class 'NoneType'>|\n\s*Given value type|$)",
    re.DOTALL,
)
NONE_NAMED = re.compile(r'expected "subcommand" to be one of')
NO_VERB = re.compile(r"argument subcommand: invalid choice: '(?P<verb>[^']*)'")
CLASS_OPTION = re.compile(r"(?P<name>[A-Z]\w+)\.(?P<option>\w+)(?=:)")
ALIKE = 0.4  # of 1: how near the name of an option must be
WRONG_VALUE = re.compile(r'Parser key "(?P<key>[\w.]+)":\s*(?P<why>.+)', re.DOTALL)


def config_error(error: BaseException | None) -> ConfigError | None:
    """The config error behind an exception, if there is one: jsonargparse wraps what a class
    raises while it is built."""
    while error is not None and not isinstance(error, ConfigError):
        error = error.__cause__
    return error


def explain(message: str, keys: Iterable[str], verbs: Sequence[str] = ()) -> str:
    """Turn a parser's message into one line.

    Args:
        message: what jsonargparse, or one of our own checks, says.
        keys: every key that a config may have, dotted.
        verbs: every verb that there is.
    """
    if NONE_NAMED.search(message):
        return f"a verb comes first: {', '.join(verbs)}"
    if verb := NO_VERB.search(message):
        hint = _hint(verb["verb"], verbs)
        return f"there is no verb {verb['verb']!r}{hint} (verbs: {', '.join(verbs)})"
    where, problem = WRONG_VALUE.search(message), CLASS_PROBLEM.search(message)
    if where and problem:
        why = problem["why"].strip()
        # An option of the class that is a union itself: its own first subtype says why.
        if why.endswith("Errors:") and (inner := NO_FIT.search(message, problem.start("why"))):
            why = why.partition("Does not validate")[0] + inner["why"]
        return _class_problem(where["key"], problem["path"], why)
    for pattern in UNKNOWN_KEY:
        if match := pattern.search(message):
            return _unknown_key(match["key"], keys)
    if where:
        return f"{where['key']}: {_wrong_value(where['why'])}"
    return one_line(message)


def _wrong_value(why: str) -> str:
    if path := NO_PATH.search(why):
        hint = _hint(path["name"], _own_classes())
        return f"there is no class {path['name']}; write the module that it is in as well{hint}"
    no_fit = NO_FIT.search(why)
    return one_line(no_fit["why"] if no_fit else why)


def _own_classes() -> set[str]:
    modules = [module for name, module in sys.modules.items() if name.startswith("visionthink_pl.")]
    return {name for module in modules for name in vars(module) if name[0].isupper()}


def _unknown_key(key: str, keys: Iterable[str]) -> str:
    return f"unknown key {key}{_hint(key, keys)}"


def _unknown_option(place: str, option: str, of: Any) -> str:
    """Names alone are compared: all that a class has stand at the same place."""
    options = list(inspect.signature(of).parameters)
    nearest = difflib.get_close_matches(option, options, n=1, cutoff=ALIKE)
    hint = f"did you mean {place}.{nearest[0]}?" if nearest else f"its keys: {', '.join(options)}"
    return f"unknown key {place}.{option} of {of.__name__}; {hint}"


def _hint(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _class_problem(key: str, path: str, why: str) -> str:
    """A class that isn't there, or an option that it does not have; or the same of a class that
    is one of its options."""
    value, within = WRONG_VALUE.match(why), CLASS_PROBLEM.search(why)
    if value and within:
        return _class_problem(f"{key}.init_args.{value['key']}", within["path"], within["why"])
    module, _, name = path.rpartition(".")
    try:
        known = dir(importlib.import_module(module))
    except ImportError as error:
        return f"{key}: can't import {module}: {error}{_hint(module, sys.modules)}"
    if option := NO_OPTION.search(why):
        return _unknown_option(f"{key}.init_args", option["key"], _class(module, name))
    if field := NO_FIELD.search(why):
        group = get_type_hints(_class(module, name).__init__)[field["group"]]
        return _unknown_option(f"{key}.init_args.{field['group']}", field["key"], group)
    if NO_ATTRIBUTE.search(why):
        hint = _hint(path, [f"{module}.{other}" for other in known])
        return f"{key}: there is no class {path}{hint}"
    if value:
        return f"{key}.init_args.{value['key']}: {one_line(value['why'])}"
    return f"{key}: {path}: {one_line(why)}"


def _class(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def with_key(message: str, config: Any) -> str:
    """Say where in the config a class stands whose option was wrong.

    A class that a ``class_path`` chose knows its own name, not its place: its messages start
    with ``Class.option:``. Where the config holds that class more than once, each place is named.

    Args:
        message: of a ``ConfigError``.
        config: nested dicts and lists, as parsed.
    """
    if not (option := CLASS_OPTION.match(message)):
        return message
    places = [f"{key}.init_args.{option['option']}" for key in _places(config, "", option["name"])]
    return " or ".join(places) + message[option.end() :] if places else message


def _places(config: Any, key: str, name: str) -> Iterator[str]:
    """Dotted keys under which the config holds a class of this name."""
    if isinstance(config, dict):
        if str(config.get("class_path")).rpartition(".")[2] == name:
            yield key
        for child, value in config.items():
            yield from _places(value, f"{key}.{child}" if key else child, name)
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from _places(value, f"{key}[{index}]", name)


def one_line(text: str) -> str:
    """Join lines, and write types as a person would."""
    joined = re.sub(r"<class '(\w+)'>", r"\1", " ".join(text.split()))
    return re.sub(r"a typing\.Literal\[(.+?)\]", r"one of \1", joined)
