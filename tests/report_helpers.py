"""Logs of runs and evaluations as they lie on disk, made up."""

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from torch.utils.tensorboard import SummaryWriter

# What a model, a data set or a file's name may hold, and what it is to stay: text.
HOSTILE = {
    "closes the script": "</script><script>globalThis.ran = 1; document.title = 'ran'</script>",
    "opens a comment": "<!--<script>globalThis.ran = 1</script>",
    "image": "<img src=x onerror=\"globalThis.ran = 1; document.title = 'ran'\">",
    "svg": "<svg onload=globalThis.ran=1><style>*{display:none}</style>",
    "address": "javascript:globalThis.ran=1",
    "link": "<a href=\"javascript:globalThis.ran=1\">here</a>",
    "breaks out of an attribute": "\" onmouseover=\"globalThis.ran=1\" x='",
    "template": "{{ 7 * 7 }}{% raw %} ${globalThis.ran = 1}",
    "entity": "&lt;b&gt; &amp; &#0;",
    "lone surrogates": "a\ud800b\udfff",
    "control characters": "a\x00b\x07c\x1b[31md\x7fe\x85f",
    "right to left": "answer \u202egnp.exe\u202c and \u2066isolated\u2069",
    "zero width": "7\u200b\ufeff\u2060",
    "line separators": "a\u2028b\u2029c\r\nd\te",
    "very long": "word " * 4000,
    "one long word": "x" * 5000,
    "emoji and scripts": "\U0001f469\u200d\U0001f680 \u05e9\u05dc\u05d5\u05dd \u4f60\u597d",
    "prototype": "__proto__",
    "every object has it": "constructor",
}  # fmt: skip


def turn(text: str, **changes: Any) -> dict[str, Any]:
    """A turn whose tokens are its words."""
    words = text.split(" ")
    tokens = [f" {word}" if place else word for place, word in enumerate(words)]
    logprobs = [round(-0.01 * (place % 7) ** 3, 4) for place in range(len(tokens))]
    made = {"text": text, "call": None, "call_error": None, "given_tokens": 0}
    return made | {"tokens": tokens, "logprobs": logprobs} | changes


def record(**changes: Any) -> dict[str, Any]:
    """A line of ``trajectories/train.jsonl``."""
    return {
        "stage": "train",
        "step": 0,
        "sample": "s-0",
        "kind": "digit",
        "question": "Which digit is on the tag?",
        "truths": ["7"],
        "rollout": 0,
        "tools_offered": ["resize_image"],
        "images": [{"file": "images/0.png", "width": 56, "height": 56, "turn": 0}],
        "turns": [turn("<answer>7</answer>")],
        "answer": "7",
        "stop": "answered",
        "second_look": False,
        "visual_tokens": 4,
        "full_look_tokens": 16,
        "generated_tokens": 5,
        "parts": {"accuracy": 1.0, "format": 0.5},
        "reward": 1.5,
        "logprob_difference": 0.0,
        "draw": 0,
        "use": "trained",
        "advantage": 0.5,
    } | changes


def validation(**changes: Any) -> dict[str, Any]:
    """A line of ``trajectories/val.jsonl``."""
    made = record(**({"stage": "val", "advantage": None, "logprob_difference": None} | changes))
    return {key: value for key, value in made.items() if key not in ("draw", "use", "advantage")}


def answered(mode: str, **changes: Any) -> dict[str, Any]:
    """A line of an evaluation's ``trajectories/MODE.jsonl``."""
    own = {"benchmark": "b", "batch": 0, "seconds": 0.02, "extra": {}, "unit": "s-0"}
    return validation(stage=mode, parts={"accuracy": 1.0}) | own | changes


def write_records(folder: Path, stage: str, records: Iterable[Mapping[str, Any]]) -> Path:
    """Write lines, and the images that they name, as a run does."""
    trajectories = folder / "trajectories"
    (trajectories / "images").mkdir(parents=True, exist_ok=True)
    file = trajectories / f"{stage}.jsonl"
    with file.open("ab") as out:
        for each in records:
            text = json.dumps(each, ensure_ascii=False) + "\n"
            out.write(text.encode("utf-8", "backslashreplace"))
            for image in each.get("images", ()):
                _draw(trajectories / image["file"], image["width"], image["height"])
    return file


def _draw(file: Path, width: int, height: int) -> None:
    if not file.exists():
        small = Image.effect_noise((max(width // 6, 8), max(height // 6, 8)), 120)
        small.resize((width, height), Image.Resampling.BICUBIC).convert("RGB").save(file)


def write_events(folder: Path, values: Mapping[str, Mapping[int, float]]) -> None:
    """Write scalars as TensorBoard does."""
    folder.mkdir(parents=True, exist_ok=True)
    with SummaryWriter(str(folder)) as writer:
        for name, curve in values.items():
            for step, value in curve.items():
                writer.add_scalar(name, value, step)


def write_csv(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write ``metrics.csv`` as Lightning's logger does."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(rows)
    names = sorted({name for row in rows for name in row})
    lines = [names, *([str(row.get(name, "")) for name in names] for row in rows)]
    (folder / "metrics.csv").write_text("\n".join(map(",".join, lines)) + "\n")


def hostile_records() -> list[dict[str, Any]]:
    """A trajectory for each hostile text, with that text wherever text can be."""
    return [
        record(
            sample=f"{name}: {text}",
            kind=text[:60],
            question=text,
            truths=[text],
            answer=text,
            stop=text[:20] or "answered",
            use=text[:20],
            turns=[
                turn(
                    text,
                    call={"name": text, "arguments": {text[:50]: [text]}},
                    call_error=text,
                    given_tokens=3,
                )
            ],
            parts={"accuracy": 0.0, text[:30]: 0.0},
            tools_offered=[text],
            draw=place,
        )
        for place, (name, text) in enumerate(HOSTILE.items())
    ]


def many_records(groups: int, size: int, tokens: int, width: int = 768) -> Iterable[dict[str, Any]]:
    """Groups of long answers, each group with images of its own, so many pixels wide."""
    chance = random.Random(0)
    words = [f" {''.join(chance.choices('abcdefghij', k=5))}" for _ in range(500)]
    for place in range(groups):
        for rollout in range(size):
            said = chance.choices(words, k=tokens)
            logprobs = [round(-chance.expovariate(2), 4) for _ in said]
            right, twice = chance.random() < 0.6, chance.random() < 0.4
            first = {"file": f"images/{place}.jpg", "width": width // 2, "height": width // 3}
            looks = [first | {"turn": 0}]
            more = {"file": f"images/{place}-full.jpg", "width": width, "height": width * 2 // 3}
            more["turn"] = 1
            yield record(
                sample=f"s-{place}",
                kind=f"kind {place % 5}",
                question=f"Question {place}: what is written at the top?",
                rollout=rollout,
                draw=place // 20,
                images=looks + [more] * twice,
                turns=[turn("".join(said), tokens=said, logprobs=logprobs)],
                second_look=twice,
                answer="7" if right else "1",
                parts={"accuracy": float(right), "format": 0.5, "resize_penalty": -0.1 * twice},
            )
