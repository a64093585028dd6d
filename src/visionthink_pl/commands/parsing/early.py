"""Checks a command line and its config files before torch is imported.

Only certain mistakes are refused here; the parser, which imports the classes, checks the rest.
"""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import yaml

from visionthink_pl.commands.parsing.config_files import read_config
from visionthink_pl.commands.parsing.error_messages import unknown_key, unknown_option
from visionthink_pl.commands.parsing.named import NoSuchClass, named_class
from visionthink_pl.commands.parsing.outlines import Option, Outline
from visionthink_pl.commands.parsing.plain_types import NotPlain, classes_of, limited_type
from visionthink_pl.commands.parsing.values import Values
from visionthink_pl.commands.parsing.verbs import (
    FLAGS,
    LINKED,
    VERBS,
    WITHOUT_CONFIG,
    Verb,
    all_words,
    by_name,
    nested,
    takes_subclasses,
    verb,
)
from visionthink_pl.commands.parsing.versions import extra_of, install
from visionthink_pl.types import ConfigError

# Packages that don't import their slow modules: these are imported only when a class is named.
LAZY = ("visionthink_pl.data", "visionthink_pl.rewards.judge")
CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")


def check(name: str, args: Sequence[str]) -> list[Outline]:
    """Check the arguments of a verb, and the config files that they name.

    Returns:
        The classes that they name.

    Raises:
        ConfigError: a file can't be read, a key or class doesn't exist, or a plain value has the
            wrong type or is out of its limits.
    """
    checker = _Checker(verb(name))
    for key, value in _given(args, FLAGS.get(name, ())):
        if key == "config" and name not in WITHOUT_CONFIG:
            checker.mapping(read_config(value))
        else:
            checker.argument(key, value)
    checker.values.refuse()
    return [found for found in checker.classes.values() if found is not None]


def asks(args: Sequence[str]) -> bool:
    """Whether the arguments ask for help or for the config; the full parser answers that."""
    return any(arg in ("-h", "--help") or ".help" in arg or "--print_" in arg for arg in args)


def load_named(args: Sequence[str]) -> None:
    """Check the arguments of a verb, and import the classes that they name: the parser finds a
    class by its bare name only once its module is imported.

    Args:
        args: the verb, and what follows it.

    Raises:
        ConfigError: see ``check``; or a named class lacks a package of an extra.
    """
    name, *rest = args or [""]
    if name not in VERBS:
        return
    classes = [] if asks(rest) else check(name, rest)
    homes = {found.module.name: found.name for found in classes}
    if asks(rest):
        homes |= {f"{package}.{name}": name for package in LAZY for name in _modules(package)}
    for module, named in sorted(homes.items()):
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            if (extra := extra_of(error.name or "")) is None:
                raise
            if not asks(rest):  # help then lists the classes without it
                raise ConfigError(
                    f"{named} needs {error.name}, which is not installed; run: {install(extra)}"
                ) from error


def _modules(package: str) -> list[str]:
    return [m.name for m in pkgutil.iter_modules(import_module(package).__path__)]


def _given(args: Sequence[str], flags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of option and value, in order; positional arguments and flags are left out."""
    for arg, following in zip(args, [*args, "--"][1:], strict=True):
        key, equals, value = arg.partition("=")
        if key == "-c":
            key = "--config"
        if not key.startswith("--") or key.endswith(".help") or len(key) == 2:
            continue
        if key[2:] in flags:  # what follows is not its value
            continue
        if equals or not following.startswith("--"):
            yield key[2:], value if equals else following


class _Checker:
    """Checks keys and values in order; keeps the last class that was named at each key, ``None``
    for one whose source is not there."""

    def __init__(self, verb: Verb) -> None:
        self._verb = verb
        self.classes: dict[str, Outline | None] = {}
        self.values = Values()
        self._words = dict(all_words(verb))

    def mapping(self, values: Mapping[str, Any]) -> None:
        """Check the content of a config file."""
        for key, value in values.items():
            if key in self._verb.sections and isinstance(value, Mapping):
                for name, inner in value.items():
                    self._look([key, str(name)], inner)
            elif key not in self._verb.sections:
                self._look([key] if key in self._verb.own else _down(key, value), value)

    def argument(self, key: str, text: str) -> None:
        """Check one option of the command line."""
        parts = key.removesuffix("+").split(".")
        if parts == ["print_config"] or (len(parts) == 1 and key in self._verb.sections):
            self.values.replaced(key)
            return  # a file with a section
        self._look(parts, text, from_line=True, added=key.endswith("+"))

    def _look(
        self, parts: list[str], value: Any, from_line: bool = False, added: bool = False
    ) -> None:
        if ".".join(parts) in LINKED:
            if from_line:
                source = LINKED[".".join(parts)]
                raise ConfigError(f'"{".".join(parts)}" must be given via "{source}"')
            return
        depth = 1 if parts[0] in self._verb.sections else 0
        options = self._verb.options(parts[0]) if depth else self._verb.own
        if parts[depth] not in options:
            if parts[depth].replace("_", "-") in options:
                return  # a config file spells it with an underscore
            raise ConfigError(unknown_key(".".join(parts), self._words))
        key, within = ".".join(parts[: depth + 1]), parts[depth + 1 :]
        if not added:
            self._option(options[parts[depth]], key, within, value, from_line)
        elif not within:
            self._added(options[parts[depth]], key, _structure(value, from_line))

    def _added(self, option: Option, key: str, value: Any) -> None:
        """Check classes that are added to a list: what follows may be options of the last."""
        for one in value if isinstance(value, list) else [value]:
            self._named(option, key, one)

    def _option(
        self, option: Option, key: str, within: list[str], value: Any, from_line: bool
    ) -> None:
        """Check a value of an option, or of the key ``within`` below it."""
        if not within:
            self.values.replaced(key)
        try:
            kind = limited_type(option)
        except NotPlain:
            inner = nested(option)
            if inner is not None and by_name(option):
                self._entries(inner, key, within, value, from_line)
            elif inner is None or takes_subclasses(option) or _names_class(value):
                self._of_class(option, key, within, _structure(value, from_line), from_line)
            else:
                self._fields(inner, key, within, value, from_line)
            return
        if not within:
            self.values.add(key, kind, value, from_line)

    def _entries(
        self, of: Outline, key: str, within: list[str], value: Any, from_line: bool
    ) -> None:
        """Check dataclasses by name, or one of them."""
        if within:
            self._fields(of, f"{key}.{within[0]}", within[1:], value, from_line)
            return
        values = _structure(value, from_line)
        for name, inner in values.items() if isinstance(values, Mapping) else ():
            self._fields(of, f"{key}.{name}", [], inner, False)

    def _fields(
        self, of: Outline, key: str, within: list[str], value: Any, from_line: bool
    ) -> None:
        """Check a dataclass, or one of its fields."""
        if within:
            self._within(of, key, within, value, from_line)
            return
        values = _structure(value, from_line)
        if isinstance(values, Mapping) and not set(values) & set(CLASS_KEYS):
            for name, inner in values.items():
                self._within(of, key, [str(name)], inner, False)

    def _of_class(
        self, option: Option, key: str, within: list[str], value: Any, from_line: bool
    ) -> None:
        """Check a class that a value names, with its options; or one of its options."""
        of, prefix = self._chosen(option, key)
        if within and within[0] == "init_args":
            within = within[1:]
        if within and within[0] not in CLASS_KEYS:
            if of is not None:
                self._within(of, prefix, within, value, from_line)
            return
        self.values.replaced(key)
        if of is not None and of.is_dataclass:
            self._fields(of, prefix, [], value, False)
        if not isinstance(value, list):
            self._named(option, key, value)
            return
        for index, one in enumerate(value):
            with self.values.of_element(key, index):
                self._named(option, key, one)

    def _chosen(self, option: Option, key: str) -> tuple[Outline | None, str]:
        """The class of an option, if it is known, and the key that its options stand under: what
        was named last, or else the default."""
        if key in self.classes:
            return self.classes[key], f"{key}.init_args"
        return nested(option) if takes_subclasses(option) else None, key

    def _named(self, option: Option, key: str, value: Any) -> None:
        path = value.get("class_path") if isinstance(value, Mapping) else value
        if not isinstance(path, str) or not path or _may_be_text(option):
            return
        try:
            found = named_class(path, list(classes_of(option)))
        except NoSuchClass as missing:
            raise ConfigError(f"{key}: {missing}") from missing
        self.classes[key] = found
        if found is None:
            return
        given = value.get("init_args") if isinstance(value, Mapping) else None
        for name, inner in given.items() if isinstance(given, Mapping) else ():
            self._within(found, f"{key}.init_args", [str(name)], inner, False)

    def _within(
        self, of: Outline, prefix: str, within: list[str], value: Any, from_line: bool
    ) -> None:
        """Check an option of a class; ``prefix`` is the key that its options stand under."""
        options, (name, *rest) = of.options, within
        if options is None:
            return
        if name not in options:
            words = {option.name: option.words for option in options.values()}
            raise ConfigError(unknown_option(prefix, name, of.name, words))
        self._option(options[name], f"{prefix}.{name}", rest, value, from_line)


def _down(key: str, value: Any) -> list[str]:
    """A key, and the first key of each mapping below it."""
    parts = [key]
    while isinstance(value, Mapping) and value:
        name, value = next(iter(value.items()))
        parts.append(str(name))
    return parts


def _may_be_text(option: Option) -> bool:
    """Whether the type also allows plain text, as ``str | Accelerator`` does."""
    names = {n.id for n in ast.walk(option.annotation or ast.Pass()) if isinstance(n, ast.Name)}
    return bool(names & {"str", "type", "_PATH", "_PLUGIN_INPUT", "timedelta"})


def _names_class(value: Any) -> bool:
    return isinstance(value, Mapping) and "class_path" in value


def _structure(value: Any, from_line: bool) -> Any:
    """The value; one from the command line is parsed as YAML."""
    if not from_line:
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return None
