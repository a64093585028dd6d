"""Groups of a log, and which of them are chosen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from report_helpers import answered, record, validation, write_records
from visionthink_pl.commands.report.log_index import (
    LoggedGroup,
    index_log,
    spread_groups,
    trajectories_in,
)
from visionthink_pl.types import ConfigError


def said(groups: Sequence[LoggedGroup], *keys: str) -> list[tuple[str, list[Any]]]:
    """Part, and some keys of each line."""
    return [(g.part, [tuple(line[k] for k in keys) for line in g.records()]) for g in groups]


def test_rollouts_of_a_batch_are_a_group(tmp_path: Path) -> None:
    lines = [
        record(sample=sample, draw=draw, rollout=rollout)
        for draw in (0, 10)
        for sample in ("a", "b")
        for rollout in (0, 1)
    ]
    write_records(tmp_path, "train", lines)
    write_records(tmp_path, "train-rank1", [record(sample="c")])
    found = index_log(tmp_path / "trajectories")
    assert said(found, "sample", "draw", "rollout") == [
        ("training", [("c", 0, 0)]),
        *(
            ("training", [(sample, draw, 0), (sample, draw, 1)])
            for draw in (0, 10)
            for sample in ("a", "b")
        ),
    ]


def test_a_validation_s_group_is_before_and_after(tmp_path: Path) -> None:
    """Those between are left out, and what came to the data in between too."""
    lines = [
        validation(sample=sample, step=step)
        for step, samples in ((0, "ab"), (5, "abc"), (9, "ab"))
        for sample in samples
    ]
    write_records(tmp_path, "val", lines)
    write_records(tmp_path, "predict", [validation(stage="predict", step=3)])
    assert said(index_log(tmp_path / "trajectories"), "sample", "step") == [
        ("prediction", [("s-0", 3)]),
        ("validation", [("a", 0), ("a", 9)]),
        ("validation", [("b", 0), ("b", 9)]),
    ]


def test_a_question_of_an_evaluation_is_shown_in_all_modes(tmp_path: Path) -> None:
    for mode in ("adaptive", "always_low"):
        lines: list[dict[str, Any]] = [
            answered(mode, benchmark=benchmark, sample="a") for benchmark in ("b1", "b2")
        ]
        bad = {"stage": mode, "benchmark": "b1", "sample": "bad", "unreadable": "no image"}
        write_records(tmp_path, mode, [*lines, bad])
    assert said(index_log(tmp_path / "trajectories"), "stage") == [
        ("b1", [("adaptive",), ("always_low",)]),
        ("b2", [("adaptive",), ("always_low",)]),
    ]


def test_a_line_that_was_cut_off_is_left_out_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "trajectories"
    assert index_log(folder) == []
    file = write_records(tmp_path, "train", [record()])
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:40])
    assert trajectories_in(index_log(folder)) == 1
    file.write_bytes(whole + whole[:40] + b"\n")
    with pytest.raises(ConfigError, match=r"train\.jsonl': line 2 is no JSON"):
        index_log(folder)


def made(part: str, groups: int, size: int) -> list[LoggedGroup]:
    return [
        LoggedGroup(part, tuple((Path(part), 100 * place + i) for i in range(size)))
        for place in range(groups)
    ]


# Groups and their size by part, the most trajectories, and how many of each part are kept.
CHOSEN = [
    ({"training": (10, 8)}, 80, {"training": 10}),
    ({"training": (10, 8)}, 79, {"training": 9}),
    ({"training": (10, 8)}, 7, {}),
    ({"training": (10, 8), "validation": (100, 2)}, 100, {"training": 6, "validation": 26}),
    ({"training": (2, 8), "validation": (100, 2)}, 100, {"training": 2, "validation": 42}),
    ({}, 10, {}),
]


@pytest.mark.parametrize(("parts", "most", "kept"), CHOSEN)
def test_parts_share_and_what_one_leaves_goes_to_the_others(
    parts: dict[str, tuple[int, int]], most: int, kept: dict[str, int]
) -> None:
    groups = [group for part, (count, size) in parts.items() for group in made(part, count, size)]
    chosen = spread_groups(groups, most)
    counts = {part: sum(group.part == part for group in chosen) for part in parts}
    assert {part: count for part, count in counts.items() if count} == kept
    assert trajectories_in(chosen) <= most
    assert chosen == [group for group in groups if group in set(chosen)]  # in their order


def test_chosen_groups_are_at_equal_distances() -> None:
    groups = made("training", 12, 2)
    assert spread_groups(groups, 8) == groups[::3]
