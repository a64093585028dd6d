"""Prints the classes that an option takes, with their options: ``--model.loss.help``."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence

from visionthink_pl.commands.parsing.named import known_classes
from visionthink_pl.commands.parsing.outlines import NO_DEFAULT, Option, Outline, literal
from visionthink_pl.commands.parsing.plain_types import classes_of
from visionthink_pl.commands.parsing.verbs import verb

HELP = ".help"
WIDTH = 100


def class_help(name: str, args: Sequence[str]) -> str | None:
    """The text for a verb's last argument ``--KEY.help``; ``None`` for any other arguments, and
    where the key takes no classes that are known without importing them."""
    key = args[-1].removeprefix("--").removesuffix(HELP) if args else ""
    if not args or args[-1] != f"--{key}{HELP}":
        return None
    of, (section, _, option) = verb(name), key.partition(".")
    options = of.options(section) if section in of.sections else of.own
    found = options.get(option or section)
    bases = list(classes_of(found)) if found else []
    classes = {c.name: c for base in bases for c in known_classes(base) if not c.is_abstract}
    if not classes:
        return None
    parts = [_described(classes[name]) for name in sorted(classes)]
    first = (
        f"Classes for --{key}; a class of your own is named by its module, as in my_module.Name."
    )
    return "\n\n".join([first, *parts])


def _described(outline: Outline) -> str:
    summary = (ast.get_docstring(outline.node) or "").split("\n\n")[0]
    lines = [outline.name, *_wrapped(" ".join(summary.split()), 2)]
    for option in (outline.options or {}).values():
        lines += _wrapped(f"{option.name}: {_words(option)}", 4)
    return "\n".join(lines)


def _words(option: Option) -> str:
    if option.default is NO_DEFAULT:
        return f"{option.words} (required)"
    return f"{option.words} (default: {literal(option.default)})"


def _wrapped(text: str, indent: int) -> list[str]:
    space = " " * indent
    return textwrap.wrap(text, WIDTH, initial_indent=space, subsequent_indent=f"{space}  ")
