"""Classes by the names that configs give them."""

from __future__ import annotations

import difflib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from functools import cache

from visionthink_pl.commands.parsing.outlines import Module, Outline, find, module_of

OURS = ("callbacks", "data", "families", "images", "losses", "rewards", "training", "visual_tools")
PACKAGE = "visionthink_pl"


class NotThere(Exception):
    """No class, or no module, of that name: the message says so, and what is near."""


def named_class(path: str, bases: Sequence[Outline]) -> Outline | None:
    """The class of a dotted path, or of a bare name; ``None`` where the source does not tell.

    Args:
        path: as a config has it.
        bases: what it must be, or be derived from.

    Raises:
        NotThere: there is certainly none.
    """
    if "." not in path:
        return _bare(path, bases)
    if found := find(path):
        return found
    module, _, name = path.rpartition(".")
    if missing := missing_module(module):
        raise NotThere(no_module(module, missing, name))
    there = module_of(module)
    if there is not None and (there.complete or module.startswith(PACKAGE)):
        names = {*there.nodes, *there.places}
        if name not in names:
            raise NotThere(no_class(path, names))
    return None


def _bare(name: str, bases: Sequence[Outline]) -> Outline | None:
    """A class that stands without its module: of those that are loaded with the program."""
    if not bases:
        return None
    known = {outline.name: outline for base in bases for outline in known_classes(base)}
    if name in known:
        return known[name]
    if all(base.path.startswith(PACKAGE) for base in bases):
        hint = did_you_mean(name, known)
        raise NotThere(f"there is no class {name}; write the module that it is in as well{hint}")
    return None


@cache
def known_classes(base: Outline) -> list[Outline]:
    """The classes of this package, and of the base's own, that are derived from it."""
    own = base.module.name.rpartition(".")[0]
    packages = {f"{PACKAGE}.{name}" for name in OURS} | {own}
    found = {
        outline.path: outline
        for package in sorted(packages)
        for outline in _classes(module_of(package))
        if outline.derives_from(base.path) and outline.path != base.path
    }
    return list(found.values())


def _classes(module: Module | None) -> Iterable[Outline]:
    names = sorted({*module.nodes, *module.places}) if module else ()
    for name in names:
        if name[0].isupper() and module and (found := find(f"{module.name}.{name}")):
            yield found


def no_class(path: str, names: Iterable[str]) -> str:
    """Say that a module has no such class."""
    module, _, name = path.rpartition(".")
    return f"there is no class {path}{did_you_mean(path, [f'{module}.{n}' for n in names])}"


def no_module(module: str, missing: str, name: str = "") -> str:
    """Say that a module can't be imported.

    Args:
        module: dotted.
        missing: as far as it was looked for: its first part that is not there.
        name: of the class that was wanted from it.
    """
    above, _, last = missing.rpartition(".")
    near = difflib.get_close_matches(last, _beside(above), n=1)
    where = f"{above}.{near[0]}" if above and near else near[0] if near else ""
    hint = f"; did you mean {where}{module[len(missing) :]}?" if near else ""
    for known in _homes(name) if name and not near else ():
        hint = f"; did you mean {known}?"
    return f"can't import {module}: No module named {missing!r}{hint}"


def missing_module(module: str) -> str | None:
    """The first part of a dotted name that is certainly not there."""
    parts = module.split(".")
    if importlib.util.find_spec(parts[0]) is None:
        return parts[0]
    for depth in range(2, len(parts) + 1):
        part = ".".join(parts[:depth])
        above = ".".join(parts[: depth - 1])
        if part in sys.modules:
            continue
        if module_of(above) is None:
            return None
        if module_of(part) is None and parts[depth - 1] not in _beside(above):
            return part
    return None


def _beside(package: str) -> list[str]:
    """Names of the modules within a package; those at the top without one."""
    if not package:
        return [m.name for m in pkgutil.iter_modules()] + list(sys.stdlib_module_names)
    top, *rest = package.split(".")
    spec = importlib.util.find_spec(top)
    folders = (spec.submodule_search_locations or []) if spec else []
    return [m.name for m in pkgutil.iter_modules(["/".join([f, *rest]) for f in folders])]


def _homes(name: str) -> Iterable[str]:
    """Dotted paths under which this package has a class of that name."""
    for package in OURS:
        module = module_of(f"{PACKAGE}.{package}")
        if module and name in {*module.nodes, *module.places}:
            yield f"{PACKAGE}.{package}.{name}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at the nearest name, if one is near."""
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""
