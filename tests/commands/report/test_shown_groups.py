"""What the page's script reads of a group."""

import json
from pathlib import Path
from typing import Any

import pytest

from report_helpers import HOSTILE, answered, record, turn, validation, write_records
from visionthink_pl.commands.report.log_index import index_log
from visionthink_pl.commands.report.shown_groups import as_json, files_of, shown_group


def shown(folder: Path, stage: str, *lines: dict[str, Any]) -> dict[str, Any]:
    write_records(folder, stage, lines)
    (group,) = index_log(folder / "trajectories")
    return shown_group(group)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_comes_back_and_holds_no_markup(text: str) -> None:
    value = {"text": text, text: [text]}
    written = as_json(value)
    assert json.loads(written) == value
    assert written.isascii() and written.isprintable()
    assert not set("<>&") & set(written)


def test_a_group_of_training(tmp_path: Path) -> None:
    lines = [record(rollout=place, draw=20, step=19) for place in range(2)]
    group = shown(tmp_path, "train", *lines)
    assert group["when"] == "batch 20, after 19 optimizer steps"
    assert [t["rollout"] for t in group["trajectories"]] == [0, 1]
    assert all(t["origin"] is None for t in group["trajectories"])
    assert all(t["advantage"] == 0.5 and t["use"] == "trained" for t in group["trajectories"])
    assert list(files_of(group)) == ["images/0.png"] * 2


def test_a_question_of_two_validations(tmp_path: Path) -> None:
    group = shown(tmp_path, "val", validation(step=0), validation(step=9))
    assert group["when"] is None
    assert [t["origin"] for t in group["trajectories"]] == ["before training", "after 9 steps"]
    assert not {"advantage", "use", "logprob_difference"} & set(group["trajectories"][0])


def test_modes_go_by_their_titles(tmp_path: Path) -> None:
    group = shown(tmp_path, "fixed_ratio_0.5", answered("fixed_ratio_0.5"))
    (trajectory,) = group["trajectories"]
    assert trajectory["origin"] == "0.5 of the pixels" and trajectory["seconds"] == 0.02


# A turn as logged, and what of it stays beside its tokens.
TURNS = [
    (turn("a b"), {}),
    (turn("a b", tokens=["a", " ", "\ufffd"]), {"text": "a b"}),
    (turn("a b", call={"name": "n", "arguments": {}}), {"call": {"name": "n", "arguments": {}}}),
    (turn("a b", call_error="no"), {"call_error": "no"}),
    (turn("a b", given_tokens=3), {"given_tokens": 3}),
]


@pytest.mark.parametrize(("logged", "more"), TURNS)
def test_what_is_empty_or_twice_is_left_out(
    logged: dict[str, Any], more: dict[str, Any], tmp_path: Path
) -> None:
    logged |= {"logprobs": [-0.0, -0.126, None]}
    group = shown(tmp_path, "train", record(turns=[logged]))
    (kept,) = group["trajectories"][0]["turns"]
    assert kept == {"tokens": logged["tokens"], "logprobs": [0.0, -0.13, None]} | more
    assert as_json(kept["logprobs"]) == "[0.0,-0.13,null]"  # not -0.0
