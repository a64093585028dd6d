"""Limits of numbers: constructors and the check before torch is imported agree."""

import math
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from inspect import Parameter, isabstract, signature
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml

from table_helpers import png
from visionthink_pl.callbacks import RolloutCallback, RolloutLog
from visionthink_pl.commands.parsing.early import check
from visionthink_pl.commands.parsing.error_messages import with_key
from visionthink_pl.commands.parsing.named import PACKAGE, known_classes
from visionthink_pl.commands.parsing.outlines import Outline, find
from visionthink_pl.commands.parsing.plain_types import (
    NotPlain,
    classes_of,
    limited_type,
    plain_type,
)
from visionthink_pl.commands.parsing.verbs import SECTIONS, WITHOUT_SECTIONS
from visionthink_pl.commands.plan.setup import Demand
from visionthink_pl.commands.prepare.settings import Settings
from visionthink_pl.data import LookCloser, PromptDataModule, VQAStream
from visionthink_pl.families import resolve
from visionthink_pl.images import PixelLimits
from visionthink_pl.losses import GRPOLoss
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.policy import Lora
from visionthink_pl.rewards import (
    APIJudge,
    FormatReward,
    HybridAccuracy,
    JudgeAccuracy,
    LocalJudge,
    OverlongPenalty,
    ResizePenalty,
    RuleAccuracy,
)
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.training.optimizer import AdamW
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import complaint

# Where a config has the options of a class. Those of a class that it names stand in ``init_args``.
SECTION = {
    RolloutCallback: "rollout",
    PixelLimits: "rollout.limits",
    VisionThinkModule: "model",
    Lora: "model.lora",
    AdamW: "model.optimizer",
    PromptDataModule: "data",
    Settings: "",
}
NAMED = {
    GRPOLoss: "model.loss",
    LookCloser: "data.train",
    VQAStream: "data.train",
    RolloutLog: "trainer.callbacks[1]",
    APIJudge: "rollout.rewards[1].init_args.judge",
    LocalJudge: "rollout.rewards[1].init_args.judge",
}
REWARD = "rollout.rewards[1]"
NAN, INF = math.nan, math.inf


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("stream")
    (folder / "a.png").write_bytes(png("red"))
    row = '{"image": "a.png", "question": "What colour?", "answer": "red"}\n'
    (folder / "rows.jsonl").write_text(row, encoding="utf-8")
    return str(folder / "rows.jsonl")


@pytest.fixture
def needed(stream: str) -> dict[str, dict[str, Any]]:
    """What must be given to a class, by its name."""
    settings = {"data": LookCloser(20), "accuracy": RuleAccuracy(), "out": "x"}
    return {
        "APIJudge": {"model": "m"},
        "HybridAccuracy": {"judge": APIJudge("m")},
        "JudgeAccuracy": {"judge": APIJudge("m")},
        "LocalJudge": {"model": resolve("embedded")},
        "MMVet": {"judge": APIJudge("m")},
        "MathVerse": {"judge": APIJudge("m")},
        "Zoom": {"unit": "pixels"},
        "OverlongPenalty": {"free_tokens": 10, "buffer_tokens": 5},
        "CompareOptions": {"runs": ("a", "b")},
        "ContinuedCSVLogger": {"save_dir": "x"},
        "EvaluationSettings": {"benchmarks": {"b": None}, "out": "x"},
        "ReportOptions": {"folder": "x"},
        "ScaledView": {"pixels": 0.5},
        "Settings": settings,
        "VQAStream": {"path": stream, "kinds": ["a"]},
    }


# A class, its option, what is refused, and how.
REFUSED: list[tuple[type, str, Any, str]] = [
    (RolloutCallback, "group_size", 1, "at least 2, not 1; an advantage is measured against the"),
    (RolloutCallback, "max_turns", 0, "at least 1, not 0"),
    (RolloutCallback, "max_new_tokens", -3, "at least 1, not -3"),
    (RolloutCallback, "max_prompt_tokens", 0, "at least 1, not 0"),
    (RolloutCallback, "temperature", 0.0, "above 0, not 0.0; evaluation is greedy anyway"),
    (RolloutCallback, "temperature", NAN, "above 0, not nan; evaluation is greedy anyway"),
    (RolloutCallback, "temperature", INF, "above 0, not inf; evaluation is greedy anyway"),
    (RolloutCallback, "top_k", -1, "at least 0, not -1"),
    (RolloutCallback, "top_p", 0.0, "above 0 and at most 1, not 0.0"),
    (RolloutCallback, "top_p", 1.5, "above 0 and at most 1, not 1.5"),
    (RolloutCallback, "min_p", -0.1, "from 0 to 1, not -0.1"),
    (RolloutCallback, "max_draws", 0, "at least 1, not 0"),
    (RolloutCallback, "rows", 0, "at least 1, not 0"),
    (RolloutLog, "every_n_steps", 0, "at least 1, not 0"),
    (RolloutLog, "groups", 0, "at least 1, not 0"),
    (RolloutLog, "max_side", 0, "at least 1, not 0"),
    (PixelLimits, "min_pixels", 0, "at least 1, not 0"),
    (PixelLimits, "max_pixels", 0, "at least 1, not 0"),
    (VisionThinkModule, "std_floor", -0.1, "at least 0, not -0.1"),
    (VisionThinkModule, "max_grad_norm", INF, "at least 0, not inf"),
    (VisionThinkModule, "updates_per_batch", 0, "at least 1, not 0"),
    (VisionThinkModule, "micro_batch_size", 0, "at least 1, not 0"),
    (VisionThinkModule, "gradient_checkpointing", -1, "at least 0, not -1"),
    (Lora, "r", 0, "at least 1, not 0"),
    (Lora, "alpha", 0, "at least 1, not 0"),
    (Lora, "dropout", 0.1, "must be 0, not 0.1; with dropout the policy that is trained is not"),
    (AdamW, "lr", 0.0, "above 0, not 0.0"),
    (AdamW, "lr", NAN, "above 0, not nan"),
    (AdamW, "weight_decay", -1.0, "at least 0, not -1.0"),
    (AdamW, "warmup_steps", -1, "at least 0, not -1"),
    (AdamW, "betas", (0.9, 1.0), "from 0 to below 1, not (0.9, 1.0)"),
    (AdamW, "betas", (-0.1, 0.9), "from 0 to below 1, not (-0.1, 0.9)"),
    (GRPOLoss, "clip_low", 2.0, "between 0 and 1, not 2.0"),
    (GRPOLoss, "clip_low", 1.0, "between 0 and 1, not 1.0"),
    (GRPOLoss, "clip_high", 0.0, "above 0, not 0.0"),
    (GRPOLoss, "kl_coefficient", -1.0, "at least 0, not -1.0"),
    (GRPOLoss, "entropy_coefficient", NAN, "at least 0, not nan"),
    (GRPOLoss, "constant_tokens", 0, "at least 1, not 0"),
    (PromptDataModule, "prompts_per_step", 0, "at least 1, not 0"),
    (PromptDataModule, "validation_prompts", 0, "at least 1, not 0"),
    (PromptDataModule, "max_bad_rows", -1, "at least 0, not -1"),
    (PromptDataModule, "workers", -1, "at least 0, not -1"),
    (LookCloser, "length", 0, "at least 1, not 0"),
    (VQAStream, "block", 0, "at least 1, not 0"),
    (FormatReward, "weight", NAN, "a number, not nan"),
    (RuleAccuracy, "weight", -INF, "a number, not -inf"),
    (ResizePenalty, "theta", 3.0, "from 0 to 1, not 3.0"),
    (ResizePenalty, "margin", -1.0, "at least 0, not -1.0"),
    (ResizePenalty, "penalty", INF, "at least 0, not inf"),
    (ResizePenalty, "weight", INF, "a number, not inf"),
    (OverlongPenalty, "free_tokens", -1, "at least 0, not -1"),
    (OverlongPenalty, "buffer_tokens", 0, "at least 1, not 0"),
    (OverlongPenalty, "penalty", -1.0, "at least 0, not -1.0"),
    (JudgeAccuracy, "max_failure_rate", 1.5, "from 0 to 1, not 1.5"),
    (HybridAccuracy, "max_failure_rate", -0.5, "from 0 to 1, not -0.5"),
    (HybridAccuracy, "weight", NAN, "a number, not nan"),
    (APIJudge, "timeout", 0.0, "above 0 seconds, not 0.0"),
    (APIJudge, "deadline", INF, "above 0 seconds, not inf"),
    (APIJudge, "max_outage", -1.0, "at least 0 seconds, not -1.0"),
    (APIJudge, "max_retries", -1, "at least 0, not -1"),
    (APIJudge, "max_concurrency", 0, "at least 1, not 0"),
    (APIJudge, "max_characters", 0, "at least 1, not 0"),
    (LocalJudge, "batch_size", 0, "at least 1, not 0"),
    (LocalJudge, "max_new_tokens", 0, "at least 1, not 0"),
    (LocalJudge, "max_characters", 0, "at least 1, not 0"),
    (Settings, "rollouts", 0, "at least 1, not 0"),
    (Settings, "gain", 0, "at least 1, not 0"),
    (Settings, "max_new_tokens", 0, "at least 1, not 0"),
    (Settings, "temperature", 0.0, "above 0, not 0.0"),
    (Settings, "top_k", -1, "at least 0, not -1"),
    (Settings, "top_p", 0.0, "above 0 and at most 1, not 0.0"),
    (Settings, "min_p", 2.0, "from 0 to 1, not 2.0"),
    (Settings, "rows", 0, "at least 1, not 0"),
    (Settings, "prompts_per_batch", 0, "at least 1, not 0"),
    (Settings, "near_duplicates", 64, "from 0 to 63 bits, not 64"),
    (Settings, "seed", 2**32, "from 0 to 2**32 - 1, not 4294967296; a run can be repeated by it"),
]
# The same of values at the edge, or where there is no limit.
ACCEPTED: list[tuple[type, str, Any]] = [
    (RolloutCallback, "group_size", 2),
    (RolloutCallback, "max_prompt_tokens", None),
    (RolloutCallback, "max_prompt_tokens", 1),
    (RolloutCallback, "temperature", 1e-9),
    (RolloutCallback, "top_k", 0),
    (RolloutCallback, "top_p", 1.0),
    (RolloutCallback, "min_p", 0.0),
    (RolloutCallback, "min_p", 1.0),
    (PromptDataModule, "max_bad_rows", None),
    (PromptDataModule, "max_bad_rows", 0),
    (PromptDataModule, "workers", 0),
    (VisionThinkModule, "gradient_checkpointing", False),
    (VisionThinkModule, "gradient_checkpointing", True),
    (VisionThinkModule, "gradient_checkpointing", 0),
    (VisionThinkModule, "gradient_checkpointing", 2),
    (VisionThinkModule, "max_grad_norm", 0.0),
    (Lora, "dropout", 0.0),
    (AdamW, "betas", (0.0, 0.999)),
    (AdamW, "warmup_steps", 0),
    (GRPOLoss, "clip_low", 0.999),
    (GRPOLoss, "clip_high", 5.0),
    (ResizePenalty, "theta", 0.0),
    (ResizePenalty, "theta", 1.0),
    (RuleAccuracy, "weight", -2.0),
    (RuleAccuracy, "weight", 0.0),
    (OverlongPenalty, "free_tokens", 0),
    (JudgeAccuracy, "max_failure_rate", 1.0),
    (APIJudge, "max_outage", 0.0),
    (APIJudge, "max_retries", 0),
    (Settings, "near_duplicates", None),
    (Settings, "near_duplicates", 0),
    (Settings, "near_duplicates", 63),
    (Settings, "seed", 2**32 - 1),
]


def refusal(of: type, **options: Any) -> str | None:
    """What the constructor says."""
    try:
        of(**options)
    except ConfigError as error:
        return str(error)
    return None


def early_refusal(verb: str, *args: str) -> str | None:
    """What is said before torch is loaded."""
    try:
        check(verb, args)
    except ConfigError as error:
        return str(error)
    return None


def place(of: type, option: str) -> str:
    if of in SECTION:
        return f"{SECTION[of]}.{option}".lstrip(".")
    return f"{NAMED.get(of, REWARD)}.init_args.{option}"


def config(of: type, options: dict[str, Any]) -> dict[str, Any]:
    """A config in which a class stands with options."""
    where, value = place(of, "").removesuffix(".").removesuffix(".init_args"), options
    if of not in SECTION:
        value = {"class_path": f"{of.__module__}.{of.__name__}", "init_args": options}
    if where.endswith(".judge"):
        where, value = REWARD, {"class_path": "HybridAccuracy", "init_args": {"judge": value}}
    if where.endswith("[1]"):
        first = "ANLS" if where == REWARD else "ComparisonTable"
        where, value = where[:-3], [{"class_path": first}, value]
    for part in reversed(where.split(".") if where else []):
        value = {part: value}
    return value


def arguments(values: dict[str, Any]) -> Iterator[str]:
    """The same on the command line."""
    for section, inner in values.items():
        below = inner.items() if isinstance(inner, dict) else [(None, inner)]
        for key, value in below:
            name = section if key is None else f"{section}.{key}"
            text = yaml.safe_dump(value, default_flow_style=True, width=9999)
            yield f"--{name}=" + text.removesuffix("...\n").strip()


@pytest.mark.parametrize(("of", "option", "value", "words"), REFUSED)
def test_refused_in_the_same_words(
    of: type, option: str, value: Any, words: str, needed: dict[str, Any], tmp_path: Path
) -> None:
    given = needed.get(of.__name__, {}) | {option: value}
    written = {option: list(value) if isinstance(value, tuple) else value}
    whole = config(of, written)
    said = with_key(str(refusal(of, **given)), whole)
    assert f"{place(of, option)}: {words}" in said
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    verb = "prepare" if of is Settings else "fit"
    assert early_refusal(verb, "--config", str(tmp_path / "config.yaml")) == said
    assert early_refusal(verb, *arguments(whole)) == said


@pytest.mark.parametrize(("of", "option", "value"), ACCEPTED)
def test_accepted(
    of: type, option: str, value: Any, needed: dict[str, Any], tmp_path: Path
) -> None:
    assert refusal(of, **needed.get(of.__name__, {}) | {option: value}) is None
    written = {option: list(value) if isinstance(value, tuple) else value}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config(of, written)), encoding="utf-8")
    verb = "prepare" if of is Settings else "fit"
    assert early_refusal(verb, "--config", str(tmp_path / "config.yaml")) is None


def reachable() -> dict[str, Outline]:
    """Every class of ours whose options a config can hold."""
    paths = [*SECTIONS.values(), *WITHOUT_SECTIONS.values(), f"{Demand.__module__}.Demand"]
    waiting, seen = [find(path) for path in paths], dict[str, Outline]()
    while waiting:
        outline = waiting.pop()
        if outline is None or outline.path in seen:
            continue
        seen[outline.path] = outline
        named = [c for o in (outline.options or {}).values() for c in classes_of(o)]
        waiting += [c for base in named for c in (base, *known_classes(base))]
    return {path: found for path, found in seen.items() if path.startswith(PACKAGE)}


def numbers(kind: Any) -> set[type]:
    if get_origin(kind) is dict:
        return set()
    if parts := get_args(kind):
        return set().union(*(numbers(part) for part in parts))
    return {kind} & {int, float}


def numeric(outline: Outline) -> dict[str, Any]:
    """Options of ours that are numbers, or pairs of them, with their types and limits."""
    found = {}
    for name, option in (outline.options or {}).items():
        with suppress(NotPlain):
            if numbers(plain_type(option)) and option.module.name.startswith(PACKAGE):
                found[name] = limited_type(option)
    return found


def class_of(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


WITH_NUMBERS = {
    path: found
    for path, found in reachable().items()
    if numeric(found) and not isabstract(class_of(path))
}


def test_the_walk_finds_every_class_of_the_table() -> None:
    names = {path.rpartition(".")[2] for path in WITH_NUMBERS}
    ours = {of.__name__ for of, *_ in REFUSED} | {"Demand"}
    assert ours <= names


@pytest.mark.parametrize("path", sorted(WITH_NUMBERS), ids=lambda path: path.rpartition(".")[2])
def test_both_checks_know_the_same_limits(path: str, needed: dict[str, Any]) -> None:
    """What a constructor refuses is refused early in the same words, and the other way round."""
    of = class_of(path)
    given = needed.get(of.__name__, {})
    assert refusal(of, **given) is None
    for option, kind in numeric(WITH_NUMBERS[path]).items():
        parameters = {**signature(of).parameters, **signature(ConversationOptions).parameters}
        default = parameters[option].default
        assert default is Parameter.empty or complaint(default, kind) is None
        values = (0.0, -1.0, 2.0, NAN, INF, -INF) if float in numbers(kind) else (0, -1)
        for value in values:
            whole = (value,) * len(get_args(kind)) if get_origin(kind) is tuple else value
            said = refusal(of, **given | {option: whole})
            assert (said and said.partition(": ")[2]) == complaint(whole, kind), (option, value)


# What comes later on the command line, after values that are out of limits, and makes them good.
FIRST = {
    "model": {"lora": {"r": 0}, "optimizer": {"lr": 0.0}},
    "data": {"train": {"class_path": "LookCloser", "init_args": {"length": 0}}},
    "rollout": {
        "group_size": 1,
        "rewards": [{"class_path": "RuleAccuracy", "init_args": {"weight": NAN}}, "FormatReward"],
    },
}
GOOD = {
    "model.lora.r": ["--model.lora.r=4"],
    "model.optimizer.lr": ["--model.optimizer.lr=1e-3"],
    "data.train.init_args.length": ["--data.train.length=5"],
    "rollout.group_size": ["--rollout.group_size", "4"],
    "rollout.rewards[0].init_args.weight": ["--rollout.rewards=[RuleAccuracy]"],
}
OTHERWISE = [
    ("model.lora.r", "--model.lora=null"),
    ("model.lora.r", "--model.lora={r: 4}"),
    ("model.optimizer.lr", "--model.optimizer={lr: 1.0}"),
    ("data.train.init_args.length", "--data.train=LookCloser"),
    ("data.train.init_args.length", "--data.train.class_path=ImageFolder"),
    ("data.train.init_args.length", "--data.train.init_args.length=5"),
    ("data.train.init_args.length", "--data.train.init_args={length: 5}"),
    ("data.train.init_args.length", "--data=data.yaml"),
    ("rollout.rewards[0].init_args.weight", "--rollout.rewards.init_args.weight=1"),
]


def first_values(folder: Path) -> list[str]:
    (folder / "first.yaml").write_text(yaml.safe_dump(FIRST), encoding="utf-8")
    return ["--config", str(folder / "first.yaml")]


def all_but(key: str) -> list[str]:
    return [arg for other, args in GOOD.items() if other != key for arg in args]


@pytest.mark.parametrize("key", GOOD)
def test_a_value_that_is_not_overridden_is_refused(key: str, tmp_path: Path) -> None:
    said = early_refusal("fit", *first_values(tmp_path), *all_but(key))
    assert str(said).startswith(f"{key}: ")


@pytest.mark.parametrize(("key", "later"), [*((k, None) for k in GOOD), *OTHERWISE])
def test_an_overridden_value_is_not_refused(key: str, later: str | None, tmp_path: Path) -> None:
    given = [*first_values(tmp_path), *all_but(key)]
    assert early_refusal("fit", *given, *(GOOD[key] if later is None else [later])) is None


def test_the_last_value_counts() -> None:
    said = early_refusal("fit", "--rollout.rows=4", "--rollout.rows=0", "--rollout.max_draws=2")
    assert said == "rollout.rows: at least 1, not 0"
