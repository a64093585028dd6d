"""Options of classes, read from source by ``ast``, without importing torch.

Importing torch and Lightning takes many seconds; names, plain types and descriptions of options
need neither.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from docstring_parser import DocstringStyle, parse

NO_DEFAULT = object()
# Base classes that have no options.
WITHOUT_OPTIONS = ("ABC", "object", "Protocol", "Generic")


@dataclass(frozen=True)
class Option:
    """One option of a class.

    Attributes:
        name: of the argument.
        annotation: its type; names in it are resolved in ``module``.
        default: ``NO_DEFAULT`` where the option is required.
        words: its description, from the class's docstring.
        module: that defines the class.
    """

    name: str
    annotation: ast.expr | None
    default: ast.expr | object
    words: str
    module: Module

    @property
    def written(self) -> str:
        """The annotation's source text."""
        return ast.unparse(self.annotation) if self.annotation else "Any"


class Module:
    """A parsed module, and its top-level names.

    Attributes:
        name: dotted.
        imports: for each imported name, the module it comes from and its name there.
        nodes: for each defined name, its definition.
    """

    def __init__(self, name: str, file: Path) -> None:
        self.name, self._is_package = name, file.stem == "__init__"
        self.imports: dict[str, tuple[str, str]] = {}
        self.nodes: dict[str, ast.ClassDef | ast.FunctionDef | ast.expr] = {}
        self.tree = ast.parse(file.read_text(encoding="utf-8"))
        self._add(self.tree.body)

    def _add(self, body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.ImportFrom):
                home = self._home(node)
                self.imports |= {n.asname or n.name: (home, n.name) for n in node.names}
            elif isinstance(node, ast.ClassDef | ast.FunctionDef):
                self.nodes[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.nodes[node.targets[0].id] = node.value
            elif isinstance(node, ast.If | ast.Try):
                self._add(node.body)

    def _home(self, node: ast.ImportFrom) -> str:
        """Absolute name of the module that is imported from."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        above = parts[: len(parts) - node.level + self._is_package]
        return ".".join([*above, *([node.module] if node.module else [])])

    def origin(self, name: str) -> tuple[str, str]:
        """The module that a name comes from, and its name there."""
        return self.imports.get(name, (self.name, name))

    @cached_property
    def complete(self) -> bool:
        """Whether all names are known: there is no ``__getattr__`` and no star import."""
        return "__getattr__" not in self.nodes and "*" not in self.imports


@dataclass(frozen=True)
class Outline:
    """A class, read from source.

    Attributes:
        path: dotted path, in the module that defines it.
        node: the definition.
        module: that defines it.
    """

    path: str
    node: ast.ClassDef
    module: Module

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def is_dataclass(self) -> bool:
        return any("dataclass" in ast.unparse(d) for d in self.node.decorator_list)

    @property
    def is_abstract(self) -> bool:
        """Whether one of its own methods is abstract, as far as its source shows."""
        methods = [node for node in self.node.body if isinstance(node, ast.FunctionDef)]
        decorators = [decorator for method in methods for decorator in method.decorator_list]
        return any("abstractmethod" in ast.unparse(d) for d in decorators)

    def bases(self) -> Iterator[Outline | None]:
        """Its base classes; ``None`` for one that can't be found."""
        for base in self.node.bases:
            base = base.value if isinstance(base, ast.Subscript) else base
            if ast.unparse(base) not in WITHOUT_OPTIONS:
                yield find(f"{self.module.name}.{ast.unparse(base)}")

    def derives_from(self, path: str) -> bool:
        """Whether it is the class ``path`` or a subclass."""
        return self.path == path or any(
            b is not None and b.derives_from(path) for b in self.bases()
        )

    @cached_property
    def options(self) -> dict[str, Option] | None:
        """Options by name; ``None`` where the source alone doesn't show all of them."""
        if init := _method(self.node, "__init__"):
            own = _of_function(init, self, _words(self.node, init))
            passed = self._passed_on(init)
            return None if passed is None else own | passed
        inherited = [base.options if base else None for base in self.bases()]
        if None in inherited:
            return None
        found = {name: option for options in inherited for name, option in (options or {}).items()}
        return found | _of_fields(self) if self.is_dataclass else found

    def _passed_on(self, init: ast.FunctionDef) -> dict[str, Option] | None:
        """Options that ``**kwargs`` passes to another class; ``None`` where that can't be told."""
        if init.args.kwarg is None:
            return {}
        for node in ast.walk(init):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                handed = [ast.unparse(k.value) for k in node.keywords if k.arg is None]
                if handed == [init.args.kwarg.arg]:
                    other = find(f"{self.module.name}.{node.func.id}")
                    return other.options if other else None
        return None

    def method(self, name: str) -> dict[str, Option]:
        """Arguments of one of its methods."""
        function = _method(self.node, name)
        assert function is not None, f"{self.path} has no method {name}"
        return _of_function(function, self, _words(function))


def find(path: str) -> Outline | None:
    """Find a class by dotted path, through re-exports; ``None`` where there is none."""
    return _find(path, frozenset())


@cache
def _find(path: str, seen: frozenset[str]) -> Outline | None:
    home, _, name = path.rpartition(".")
    module = module_of(home)
    if module is None or path in seen:
        return None
    node = module.nodes.get(name)
    if isinstance(node, ast.ClassDef):
        return Outline(path, node, module)
    origin = module.imports.get(name)
    return _find(".".join(origin), seen | {path}) if origin else None


@cache
def module_of(name: str) -> Module | None:
    """Parse a module by dotted name; ``None`` where it doesn't exist or has no source."""
    top, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(top) if top else None
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest and spec.origin and spec.origin.endswith(".py"):
        return Module(name, Path(spec.origin))
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *rest)
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if rest and file.is_file():
                return Module(name, file)
    return None


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    methods = (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == name)
    return next(methods, None)


def _words(*nodes: ast.ClassDef | ast.FunctionDef) -> dict[str, str]:
    """Descriptions of arguments in the docstrings, by name."""
    texts = [inspect.cleandoc(ast.get_docstring(node) or "") for node in nodes]
    parameters = [p for text in texts for p in parse(text, DocstringStyle.GOOGLE).params]
    return {p.arg_name: " ".join((p.description or "").split()) for p in parameters}


def _of_function(node: ast.FunctionDef, of: Outline, words: dict[str, str]) -> dict[str, Option]:
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    missing = [NO_DEFAULT] * (len(plain) - len(arguments.defaults))
    defaults = [*missing, *arguments.defaults, *(d or NO_DEFAULT for d in arguments.kw_defaults)]
    return {
        a.arg: Option(a.arg, a.annotation, default, words.get(a.arg, ""), of.module)
        for a, default in zip([*plain, *arguments.kwonlyargs], defaults, strict=True)
        if a.arg != "self"
    }


def _of_fields(of: Outline) -> dict[str, Option]:
    words = _words(of.node)
    return {
        field.target.id: Option(
            field.target.id,
            field.annotation,
            NO_DEFAULT if field.value is None else field.value,
            words.get(field.target.id, ""),
            of.module,
        )
        for field in of.node.body
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and "ClassVar" not in ast.unparse(field.annotation)
    }


def literal(default: Any) -> Any:
    """The default as a value; its source text where it is no literal."""
    try:
        return ast.literal_eval(default)
    except ValueError:
        return ast.unparse(default)
