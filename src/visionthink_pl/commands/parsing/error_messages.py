"""Rewrites jsonargparse's errors into one line, with the nearest existing key."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_type_hints

from visionthink_pl.types import ConfigError

UNKNOWN_KEY = (  # jsonargparse's wordings, for the command line and for files
    re.compile(r"unrecognized arguments: --(?P<key>[\w.]+)"),
    re.compile(r"does not accept option '(?P<key>[\w.]+)'"),
    re.compile(r'Key "(?P<key>[\w.]+)" is not expected'),
)
CLASS_PROBLEM = re.compile(
    r"Problem with given class_path '(?P<path>[\w.]+)':\s*(?P<why>.+?)"
    r"(?=\n\s*- Expected|\n\s*Given value type|$)",
    re.DOTALL,
)
ABSTRACT = re.compile(  # the class is named, or is the value given
    r"instantiatable class, but (?:(?P<path>[\w.]+) )?is abstract"
    r"(?:.*Given value: (?:\{'class_path': ')?(?P<given>[\w.]+))?",
    re.DOTALL,
)
NO_OPTION = re.compile(r"Option '(?P<key>[\w.]+)' is not accepted")
NO_FIELD = re.compile(r"Group '(?P<group>\w+)' does not accept option '(?P<key>\w+)'")
NO_ATTRIBUTE = re.compile(r"has no attribute")
NO_PATH = re.compile(r"Expected a dot import path string: (?P<name>\w+)")
NO_FIT = re.compile(  # of a union only the first subtype's message helps; "is not null" doesn't
    r"Errors:\s*- (?P<why>.+?)(?=\n\s*- Expected a <class 'NoneType'>|\n\s*Given value type|$)",
    re.DOTALL,
)
NONE_NAMED = re.compile(r'expected "subcommand" to be one of')
NO_VERB = re.compile(r"argument subcommand: invalid choice: '(?P<verb>[^']*)'")
CLASS_OPTION = re.compile(r"(?P<name>[A-Z]\w+)\.(?P<option>\w+)(?=:)")
# Similarities, from 0 to 1.
ALIKE = 0.4  # least between an unknown option's name and one of its class
NEAR = 0.6  # least between an unknown key's name and any other
BY_WORDS = 0.6  # of a key whose description holds the words; more where it is short
FEW = 0.25  # least share of the description that the words must make up
ELSEWHERE = 0.15  # added to the least where the key is in another section
PYDANTIC = re.compile(r"1 validation error for \S+ (?P<why>.+?) \[type=.+?\] For .+? visit \S+")
WRONG_VALUE = re.compile(r'Parser key "(?P<key>[\w.]+)":\s*(?P<why>.+)', re.DOTALL)


def config_error(error: BaseException | None) -> ConfigError | None:
    """The first ``ConfigError`` in the chain of causes, if any: jsonargparse wraps what a class
    raises in its constructor."""
    while error is not None and not isinstance(error, ConfigError):
        error = error.__cause__
    return error


def explain(
    message: str, keys: Mapping[str, str] | Iterable[str], verbs: Sequence[str] = ()
) -> str:
    """Turn a parser's message into one line.

    Args:
        message: of jsonargparse, or of one of our own checks.
        keys: all dotted keys of the config; as a mapping, with their descriptions.
        verbs: all verbs.
    """
    if NONE_NAMED.search(message):
        return no_such_verb("", verbs)
    if verb := NO_VERB.search(message):
        return no_such_verb(verb["verb"], verbs)
    where, problem = WRONG_VALUE.search(message), CLASS_PROBLEM.search(message)
    abstract = ABSTRACT.search(message)
    if where and abstract and (path := abstract["path"] or abstract["given"]):
        return f"{where['key']}: {_lacking(path)}"
    if where and problem:
        why = problem["why"].strip()
        # The option of the class is a union itself: its first subtype's message helps.
        if why.endswith("Errors:") and (inner := NO_FIT.search(message, problem.start("why"))):
            why = why.partition("Does not validate")[0] + inner["why"]
        return _class_problem(where["key"], problem["path"], why)
    for pattern in UNKNOWN_KEY:
        if match := pattern.search(message):
            return unknown_key(match["key"], keys)
    if where:
        return f"{where['key']}: {_wrong_value(where['why'])}"
    return one_line(message)


def _lacking(path: str) -> str:
    """What a class that can't be built lacks."""
    module, _, name = path.rpartition(".")
    lacking = ", ".join(sorted(_class(module, name).__abstractmethods__))
    return f"class {name} has to define {lacking}, in its body: __init__ sets an attribute too late"


def no_such_verb(name: str, verbs: Sequence[str]) -> str:
    """The error for an unknown verb, or for a missing one."""
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
    """The error for an unknown key, with the nearest existing one.

    Args:
        key: dotted.
        keys: all keys; as a mapping, with their descriptions.
    """
    found = nearest(key, keys if isinstance(keys, Mapping) else dict.fromkeys(keys, ""))
    return f"unknown key {key}" + (f"; did you mean {found}?" if found else "")


def unknown_option(prefix: str, option: str, of: str, options: Mapping[str, str]) -> str:
    """The error for an unknown option of a class, with the nearest existing one.

    Args:
        prefix: dotted key that the class's options stand under.
        option: the unknown name.
        of: name of the class.
        options: the class's options, with their descriptions.
    """
    found = nearest(option, options, ALIKE)
    hint = f"did you mean {prefix}.{found}?" if found else f"its keys: {', '.join(options)}"
    return f"unknown key {prefix}.{option} of {of}; {hint}"


def nearest(key: str, keys: Mapping[str, str], least: float = NEAR) -> str | None:
    """The existing key that is most like an unknown one, by name or by description.

    Last parts of keys are compared with each other, and the words of ``key``'s last part with the
    first sentence of a description: ``learning_rate`` finds ``lr``.

    Args:
        key: the unknown one, dotted.
        keys: all keys, with their descriptions.
        least: similarity that names must have, from 0 to 1.
    """
    scores = {known: _likeness(key, known, words, least) for known, words in keys.items()}
    best = max(scores, key=lambda known: scores[known], default=None)
    return best if best is not None and scores[best] > 0 else None


def _likeness(key: str, known: str, words: str, least: float) -> float:
    """Similarity from 0 to about 1.4; keys of the same section get a little more."""
    (section, _, name), (its_section, _, its_name) = key.rpartition("."), known.rpartition(".")
    within = section and its_section.startswith(f"{section}.")
    beside, by_name = 1.0 if within else _ratio(section, its_section), _ratio(name, its_name)
    wanted, first_sentence = _words(name), re.split(r"[.:;(]", words)[0]
    shares = [_share(wanted, _words(its_name)), _share(wanted, _words(first_sentence))]
    if section and beside < NEAR and len(wanted) == 1:
        shares = []  # one word in common across sections is no evidence
    by_words = max(shares, default=0)
    likeness = max(
        by_name if by_name >= least + (0 if beside >= NEAR or not section else ELSEWHERE) else 0,
        BY_WORDS + (1 - BY_WORDS) * by_words if by_words >= FEW else 0,
    )
    return likeness + 0.1 * beside + 0.3 * by_name if likeness else 0


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio() if one != other else 1.0


def _share(wanted: set[str], words: set[str]) -> float:
    """Share of ``wanted`` in ``words`` if all of it is there, else 0."""
    return len(wanted) / len(words) if wanted and wanted <= words else 0.0


def _words(text: str) -> set[str]:
    """Lower-case words of a text, without a final s."""
    return {word.rstrip("s") for word in re.findall(r"[a-z]{2,}", text.lower())}


def _unknown_option(prefix: str, option: str, of: Any) -> str:
    options = dict.fromkeys(inspect.signature(of).parameters, "")
    return unknown_option(prefix, option, of.__name__, options)


def _hint(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _class_problem(key: str, path: str, why: str) -> str:
    """The error for a missing class, or for an option that it doesn't have; the class may itself be
    the value of an option."""
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
    """Replace ``Class.option:`` at the start of a message by the dotted key of that option.

    A class that a ``class_path`` chose doesn't know its key in the config. Where the config names
    the class more than once, all of its keys are listed.

    Args:
        message: of a ``ConfigError``.
        config: nested dicts and lists, as parsed.
    """
    if not (option := CLASS_OPTION.match(message)):
        return message
    found = _keys_of_class(config, "", option["name"])
    keys = [f"{key}.init_args.{option['option']}" for key in found]
    return " or ".join(keys) + message[option.end() :] if keys else message


def _keys_of_class(config: Any, key: str, name: str) -> Iterator[str]:
    """Dotted keys at which the config names a class of this name."""
    if isinstance(config, dict):
        if str(config.get("class_path")).rpartition(".")[2] == name:
            yield key
        for child, value in config.items():
            yield from _keys_of_class(value, f"{key}.{child}" if key else child, name)
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from _keys_of_class(value, f"{key}[{index}]", name)


def one_line(text: str) -> str:
    """Join lines, and write types as users do: ``int``, not ``<class 'int'>``."""
    joined = re.sub(r"<class '(\w+)'>", r"\1", " ".join(text.split()))
    # Pydantic speaks where a user's module evaluates its annotations at once.
    joined = PYDANTIC.sub(r"\g<why>.", joined)
    return re.sub(r"a typing\.Literal\[(.+?)\]", r"one of \1", joined)
