"""Stand-ins for lmms-eval's classes, and the plug-in as lmms-eval would find it."""

import sys
import tomllib
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from visionthink_pl.types import VQASample

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class ModelManifest:
    model_id: str
    simple_class_path: str | None = None
    chat_class_path: str | None = None


@dataclass
class TokenCounts:
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass
class GenerationResult:
    text: str
    token_counts: TokenCounts | None = None


class CacheHook:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def add_partial(self, attr: str, request: Any, result: str) -> None:
        self.seen.append((attr, request, result))


class lmms:  # noqa: N801
    is_simple = True

    def __init__(self) -> None:
        self.cache_hook, self.task_dict = CacheHook(), dict[str, Any]()


def load_plugin(monkeypatch: pytest.MonkeyPatch) -> type:
    """The class, as lmms-eval would find it by the entry point in pyproject.toml."""
    stubs = {
        "lmms_eval": {},
        "lmms_eval.api": {},
        "lmms_eval.api.model": {"lmms": lmms},
        "lmms_eval.api.instance": {
            "GenerationResult": GenerationResult,
            "TokenCounts": TokenCounts,
            "Instance": object,
        },
        "lmms_eval.models": {},
        "lmms_eval.models.registry_v2": {"ModelManifest": ModelManifest},
    }
    for name, values in stubs.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ((name, value),) = project["entry-points"]["lmms_eval.models"].items()
    found = EntryPoint(name, value, "lmms_eval.models").load()()
    assert found.model_id == "visionthink_pl" and found.simple_class_path is None
    home, _, attribute = found.chat_class_path.rpartition(".")
    monkeypatch.delitem(sys.modules, home, raising=False)
    loaded = getattr(import_module(home), attribute)
    monkeypatch.delitem(sys.modules, home)  # which holds the stand-ins
    return loaded


def messages(sample: VQASample) -> list[dict[str, Any]]:
    images = [{"type": "image", "url": image} for image in sample.images]
    return [{"role": "user", "content": [*images, {"type": "text", "text": sample.question}]}]
