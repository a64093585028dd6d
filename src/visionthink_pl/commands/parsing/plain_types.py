"""Builds the types of options from source, where they are made of built-in types alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any, Literal, Optional, Union, get_type_hints

import annotated_types

from visionthink_pl.commands.parsing.outlines import Module, Option, Outline, find, module_of
from visionthink_pl.types import limits

PLAIN: dict[str, Any] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "dict": dict,
    "list": list,
    "tuple": tuple,
    "None": None,
    "Any": Any,
}
CONTAINERS = {"list": list, "tuple": tuple, "dict": dict}


class NotPlain(Exception):
    """A type that names classes, or that the source alone doesn't tell."""


def plain_type(option: Option) -> Any:
    """The type of an option, without limits.

    Raises:
        NotPlain: it names classes, or none is written.
    """
    return without_limits(limited_type(option))


def without_limits(kind: Any) -> Any:
    """The type without ``Annotated``, as jsonargparse gets it from ``get_type_hints``."""
    return get_type_hints(type("", (), {"__annotations__": {"kind": kind}}))["kind"]


def limited_type(option: Option) -> Any:
    """The type of an option, with the limits of ``limits.py`` as metadata.

    Raises:
        NotPlain: it names classes, or none is written.
    """
    if option.annotation is None:
        raise NotPlain
    kind = _type(option.annotation, option.module)
    return Optional[kind] if literal_none(option.default) else kind  # noqa: UP045 (a value)


def literal_none(node: Any) -> bool:
    """Whether a default is a literal ``None``."""
    return isinstance(node, ast.Constant) and node.value is None


def _type(node: ast.expr, module: Module) -> Any:
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str(text)):
            return _type(ast.parse(text, mode="eval").body, module)
        case ast.Name(id=name) if name in PLAIN:
            return PLAIN[name]
        case ast.Name(id=name) if module.origin(name)[0] == limits.__name__:
            return vars(limits)[module.origin(name)[1]]  # cheap to import
        case ast.Name(id=name):
            return _type(*_alias(name, module))
        case ast.BinOp(op=ast.BitOr()):
            return Union[_type(node.left, module), _type(node.right, module)]  # noqa: UP007
        case ast.Subscript(value=ast.Name(id="Literal")):
            return Literal[ast.literal_eval(node.slice)]
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[kind, *metadata])):
            return Annotated[(_type(kind, module), *(_limit(part, module) for part in metadata))]
        case ast.Subscript(value=ast.Name(id="Optional")):
            return Optional[_type(node.slice, module)]  # noqa: UP045
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=parts)):
            return Union[tuple(_type(part, module) for part in parts)]  # noqa: UP007
        case ast.Subscript(value=ast.Name(id=name)) if name in CONTAINERS:
            return _container(CONTAINERS[name], node.slice, module)
    raise NotPlain


def _limit(node: ast.expr, module: Module) -> Any:
    """One item of ``Annotated``'s metadata: a bound, a unit or a reason."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=value)]) if (
            module.origin(name)[0] == annotated_types.__name__
        ):
            return vars(annotated_types)[module.origin(name)[1]](value)
    raise NotPlain


def _container(of: Any, parts: ast.expr, module: Module) -> Any:
    elements = parts.elts if isinstance(parts, ast.Tuple) else [parts]
    types = [... if ast.unparse(e) == "..." else _type(e, module) for e in elements]
    return of[tuple(types)]


def _alias(name: str, module: Module | None) -> tuple[ast.expr, Module]:
    """The expression that a type alias stands for, and its module; follows re-exports."""
    for _ in range(8):  # re-exports of re-exports
        if module is None:
            break
        node = module.nodes.get(name)
        if isinstance(node, ast.expr):
            return node, module
        if node is not None or name not in module.imports:
            break
        home, name = module.imports[name]
        module = module_of(home)
    raise NotPlain


def classes_of(option: Option) -> Iterator[Outline]:
    """The classes that an option's type names; none for a plain type, whatever its bounds."""
    with suppress(NotPlain):
        limited_type(option)
        return
    for node in ast.walk(option.annotation) if option.annotation else ():
        name = node.id if isinstance(node, ast.Name) else "None"
        if name not in PLAIN and (found := find(f"{option.module.name}.{name}")):
            yield found
