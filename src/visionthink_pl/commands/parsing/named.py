"""Finds the classes that configs name, without importing them."""

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


class NoSuchClass(Exception):
    """No class or module has that name; the message says which, with the nearest name."""


def named_class(path: str, bases: Sequence[Outline]) -> Outline | None:
    """Find a class by dotted path or bare name; ``None`` where the source alone can't tell.

    Args:
        path: as written in a config.
        bases: classes that the option's type names.

    Raises:
        NoSuchClass: there is certainly none.
    """
    if "." not in path:
        return _bare(path, bases)
    if found := find(path):
        return found
    module, _, name = path.rpartition(".")
    if missing := missing_module(module):
        raise NoSuchClass(no_module(module, missing, name))
    there = module_of(module)
    if there is not None and (there.complete or module.startswith(PACKAGE)):
        names = {*there.nodes, *there.imports}
        if name not in names:
            raise NoSuchClass(no_class(path, names))
    return None


def _bare(name: str, bases: Sequence[Outline]) -> Outline | None:
    """Find a class by its bare name, among ``known_classes`` of the bases."""
    if not bases:
        return None
    known = {outline.name: outline for base in bases for outline in known_classes(base)}
    if name in known:
        return known[name]
    if all(base.path.startswith(PACKAGE) for base in bases):
        hint = did_you_mean(name, known)
        raise NoSuchClass(f"there is no class {name}; write the module that it is in as well{hint}")
    return None


@cache
def known_classes(base: Outline) -> list[Outline]:
    """Subclasses of ``base`` in this package and in the base's own package."""
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
    names = sorted({*module.nodes, *module.imports}) if module else ()
    for name in names:
        if name[0].isupper() and module and (found := find(f"{module.name}.{name}")):
            yield found


def no_class(path: str, names: Iterable[str]) -> str:
    """The error for a module without a class of that name, with the nearest of ``names``."""
    module, _, name = path.rpartition(".")
    return f"there is no class {path}{did_you_mean(path, [f'{module}.{n}' for n in names])}"


def no_module(module: str, missing: str, name: str = "") -> str:
    """The error for a module that doesn't exist, with the nearest that does.

    Args:
        module: dotted.
        missing: the shortest dotted prefix of it that doesn't exist.
        name: of the class that was to be imported from it.
    """
    above, _, last = missing.rpartition(".")
    near = difflib.get_close_matches(last, _modules_in(above), n=1)
    where = f"{above}.{near[0]}" if above and near else near[0] if near else ""
    meant = where + module[len(missing) :]
    hint = f"; did you mean {meant}?" if near else ""
    exports = list(_exports_of(name)) if name else []
    if exports and not (near and any(_within(path, meant) for path in exports)):
        hint = f"; did you mean {exports[0]}?"  # the class is elsewhere than in what sounds alike
    return f"can't import {module}: No module named {missing!r}{hint}"


def _within(path: str, module: str) -> bool:
    """Whether a class that is exported as ``path`` may stand in ``module``, or in its package."""
    package = path.rpartition(".")[0]
    return f"{module}.".startswith(f"{package}.")


def missing_module(module: str) -> str | None:
    """The shortest dotted prefix that certainly doesn't exist; ``None`` where there is none."""
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
        if module_of(part) is None and parts[depth - 1] not in _modules_in(above):
            return part
    return None


def _modules_in(package: str) -> list[str]:
    """Names of a package's modules; top-level modules for an empty name."""
    if not package:
        return [m.name for m in pkgutil.iter_modules()] + list(sys.stdlib_module_names)
    top, *rest = package.split(".")
    spec = importlib.util.find_spec(top)
    folders = (spec.submodule_search_locations or []) if spec else []
    return [m.name for m in pkgutil.iter_modules(["/".join([f, *rest]) for f in folders])]


def _exports_of(name: str) -> Iterable[str]:
    """Dotted paths of this package that export a class of that name."""
    for package in OURS:
        module = module_of(f"{PACKAGE}.{package}")
        if module and name in {*module.nodes, *module.imports}:
            yield f"{PACKAGE}.{package}.{name}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest known name; empty where none is near."""
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""
