"""Groups as the page's script reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from visionthink_pl.commands.answering.modes import mode_title
from visionthink_pl.commands.report.log_index import TRAINING, LoggedGroup

# Of a trajectory, under the names that docs/trajectories.md explains.
KEPT = (
    "rollout",
    "tools_offered",
    "images",
    "answer",
    "stop",
    "second_look",
    "visual_tokens",
    "full_look_tokens",
    "generated_tokens",
    "parts",
    "reward",
    "logprob_difference",
    "use",
    "advantage",
    "seconds",
)


def shown_group(group: LoggedGroup) -> dict[str, Any]:
    """A group with all that the page shows of it."""
    records = list(group.records())
    first = records[0]
    return {
        "part": group.part,
        "when": _when(group, first),
        **{key: first[key] for key in ("sample", "kind", "question", "truths")},
        "trajectories": [_trajectory(group, record) for record in records],
    }


def files_of(shown: Mapping[str, Any]) -> Iterator[str]:
    """Names of the images that a group's trajectories were shown."""
    for trajectory in shown["trajectories"]:
        yield from (image["file"] for image in trajectory["images"])


def as_json(value: Any) -> str:
    """JSON in ASCII that may stand within an HTML ``<script>``: no tag, comment or entity can begin
    in it, and lone surrogates and U+2028 are escapes."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _when(group: LoggedGroup, record: Mapping[str, Any]) -> str | None:
    if group.part != TRAINING:
        return None
    return f"batch {record['draw']}, after {record['step']} optimizer steps"


def _trajectory(group: LoggedGroup, record: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: record[key] for key in KEPT if record.get(key) is not None}
    turns = [_turn(turn) for turn in record["turns"]]
    return {"origin": _origin(group, record), **kept, "turns": turns}


def _origin(group: LoggedGroup, record: Mapping[str, Any]) -> str | None:
    """The mode of an evaluation, or the time of a validation."""
    if "benchmark" in record:
        return mode_title(record["stage"])
    if group.part == TRAINING:
        return None
    return f"after {record['step']} steps" if record["step"] else "before training"


def _turn(turn: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty, and without the text where it is that of the tokens."""
    out = {"tokens": turn["tokens"], "logprobs": [_short(value) for value in turn["logprobs"]]}
    if "".join(turn["tokens"]) != turn["text"]:
        out["text"] = turn["text"]
    return out | {key: turn[key] for key in ("call", "call_error", "given_tokens") if turn[key]}


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 2) + 0.0  # not -0.0
