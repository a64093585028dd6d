"""One line that says what was wrong with a config, and the nearest right key."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
ALIKE = 0.4  # of 1: how near the name of an option must be to those of its class
NEAR = 0.6  # of 1: how near a key must be to all others
SAID = 0.6  # of 1: how near a key is of which those words are said among many others
FEW = 0.25  # of 1: what those words must at least make up
ELSEWHERE = 0.15  # of 1: how much nearer the name of a key in another section must be
PYDANTIC = re.compile(r"1 validation error for \S+ (?P<why>.+?) \[type=.+?\] For .+? visit \S+")
WRONG_VALUE = re.compile(r'Parser key "(?P<key>[\w.]+)":\s*(?P<why>.+)', re.DOTALL)


def config_error(error: BaseException | None) -> ConfigError | None:
    """The config error behind an exception, if there is one: jsonargparse wraps what a class
    raises while it is built."""
    while error is not None and not isinstance(error, ConfigError):
        error = error.__cause__
    return error


def explain(
    message: str, keys: Mapping[str, str] | Iterable[str], verbs: Sequence[str] = ()
) -> str:
    """Turn a parser's message into one line.

    Args:
        message: what jsonargparse, or one of our own checks, says.
        keys: every key that a config may have, dotted; as a mapping, with what is said of it.
        verbs: every verb that there is.
    """
    if NONE_NAMED.search(message):
        return no_such_verb("", verbs)
    if verb := NO_VERB.search(message):
        return no_such_verb(verb["verb"], verbs)
    where, problem = WRONG_VALUE.search(message), CLASS_PROBLEM.search(message)
    if where and problem:
        why = problem["why"].strip()
        # An option of the class that is a union itself: its own first subtype says why.
        if why.endswith("Errors:") and (inner := NO_FIT.search(message, problem.start("why"))):
            why = why.partition("Does not validate")[0] + inner["why"]
        return _class_problem(where["key"], problem["path"], why)
    for pattern in UNKNOWN_KEY:
        if match := pattern.search(message):
            return unknown_key(match["key"], keys)
    if where:
        return f"{where['key']}: {_wrong_value(where['why'])}"
    return one_line(message)


def no_such_verb(name: str, verbs: Sequence[str]) -> str:
    """Say that there is no such verb, or that none is named."""
    if not name:
        return f"a verb comes first: {', '.join(verbs)}"
    return f"there is no verb {name!r}{_hint(name, verbs)} (verbs: {', '.join(verbs)})"


def _wrong_value(why: str) -> str:
    if path := NO_PATH.search(why):
        hint = _hint(path["name"], _own_classes())
        return f"there is no class {path['name']}; write the module that it is in as well{hint}"
    no_fit = NO_FIT.search(why)
    return one_line(no_fit["why"] if no_fit else why)


def _own_classes() -> set[str]:
    modules = [module for name, module in sys.modules.items() if name.startswith("visionthink_pl.")]
    return {name for module in modules for name in vars(module) if name[0].isupper()}


def unknown_key(key: str, keys: Mapping[str, str] | Iterable[str]) -> str:
    """Say that there is no such key, and which is nearest.

    Args:
        key: dotted.
        keys: every key that there is; as a mapping, with what is said of it.
    """
    found = nearest(key, keys if isinstance(keys, Mapping) else dict.fromkeys(keys, ""))
    return f"unknown key {key}" + (f"; did you mean {found}?" if found else "")


def unknown_option(place: str, option: str, of: str, options: Mapping[str, str]) -> str:
    """Say that a class has no such option, and which is nearest.

    Args:
        place: dotted key under which its options stand.
        option: the name.
        of: the class.
        options: those that it has, with what is said of them.
    """
    found = nearest(option, options, ALIKE)
    hint = f"did you mean {place}.{found}?" if found else f"its keys: {', '.join(options)}"
    return f"unknown key {place}.{option} of {of}; {hint}"


def nearest(key: str, keys: Mapping[str, str], least: float = NEAR) -> str | None:
    """The key that somebody may have meant: by its own name, or by what is said of it.

    The last parts of keys are compared, and the words of ``key``'s with the first sentence that
    explains the other: ``learning_rate`` is what is said of ``lr``.

    Args:
        key: dotted.
        keys: every key that there is, with what is said of it.
        least: of 1, how near names must be.
    """
    scores = {known: _likeness(key, known, words, least) for known, words in keys.items()}
    best = max(scores, key=lambda known: scores[known], default=None)
    return best if best is not None and scores[best] > 0 else None


def _likeness(key: str, known: str, words: str, least: float) -> float:
    """From 0, not alike, to about 1; keys of one section are a little more alike."""
    (section, _, name), (its_section, _, its_name) = key.rpartition("."), known.rpartition(".")
    within = section and its_section.startswith(f"{section}.")
    beside, by_name = 1.0 if within else _ratio(section, its_section), _ratio(name, its_name)
    wanted, first_sentence = _words(name), re.split(r"[.:;(]", words)[0]
    shares = [_share(wanted, _words(its_name)), _share(wanted, _words(first_sentence))]
    if section and beside < NEAR and len(wanted) == 1:
        shares = []  # one word that two sections have in common says little
    by_words = max(shares, default=0)
    likeness = max(
        by_name if by_name >= least + (0 if beside >= NEAR or not section else ELSEWHERE) else 0,
        SAID + (1 - SAID) * by_words if by_words >= FEW else 0,
    )
    return likeness + 0.1 * beside + 0.3 * by_name if likeness else 0


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio() if one != other else 1.0


def _share(wanted: set[str], said: set[str]) -> float:
    """What the wanted words make up of those said, if all of them are said."""
    return len(wanted) / len(said) if wanted and wanted <= said else 0.0


def _words(text: str) -> set[str]:
    """Words of a text, without the s of a plural."""
    return {word.rstrip("s") for word in re.findall(r"[a-z]{2,}", text.lower())}


def _unknown_option(place: str, option: str, of: Any) -> str:
    options = dict.fromkeys(inspect.signature(of).parameters, "")
    return unknown_option(place, option, of.__name__, options)


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
    joined = PYDANTIC.sub(
        r"\g<why>.", joined
    )  # where an annotation of a user's is evaluated at once
    return re.sub(r"a typing\.Literal\[(.+?)\]", r"one of \1", joined)
