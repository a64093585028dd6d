"""Files that are taken for a checkpoint, and checkpoints that a run can go on from."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch

from visionthink_pl.module.checkpoints import check_fits, read_checkpoint
from visionthink_pl.types import ConfigError


def stored(value: Any) -> bytes:
    out = io.BytesIO()
    torch.save(value, out)
    return out.getvalue()


GOOD = {"state_dict": {"a": torch.ones(2)}, "global_step": 3, "loops": {}}
LACKS = "is no checkpoint of a training run: it lacks state_dict, global_step or loops"
# What is in the file, what is said of it, and why.
REFUSED = [
    (b"", "can't be read as a checkpoint: ", "empty"),
    (b"\x80\x04garbage", "can't be read as a checkpoint: ", "it begins like a pickle"),
    (b"not a checkpoint at all", "can't be read as a checkpoint: ", "text"),
    (stored({"state_dict": {}}), LACKS, "weights alone"),
    (stored([GOOD]), LACKS, "no dictionary"),
    (stored(GOOD | {"more": Path("a")}), "can't be read as a checkpoint: ", "code would run"),
]


@pytest.mark.parametrize(("content", "phrase", "why"), REFUSED, ids=[why for *_, why in REFUSED])
def test_a_file_that_is_no_checkpoint(
    tmp_path: Path, content: bytes, phrase: str, why: str
) -> None:
    file = tmp_path / "mine.ckpt"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read_checkpoint(file, "ckpt_path")
    assert str(refused.value).startswith(f"ckpt_path: {str(file)!r} {phrase}")
    assert "\n" not in str(refused.value)


def test_a_checkpoint_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.ckpt"
    file.write_bytes(stored(GOOD))
    assert read_checkpoint(file, "ckpt")["state_dict"]["a"].tolist() == [1, 1]


TUNING = {"model.lora": {"r": 4}}
# The run's own tuning and shapes of weights, and why it can't go on from a checkpoint of one
# weight (2, 3) that was trained with ``TUNING``.
OF_ANOTHER_RUN: list[tuple[dict[str, Any], dict[str, tuple[int, ...]], str]] = [
    ({"model.lora": {"r": 8}}, {"a": (2, 3)}, "was trained with {'model.lora': {'r': 4}}, not {'m"),
    (TUNING, {}, "holds other weights than this config makes"),
    (TUNING, {"a": (2, 3), "b": (1,)}, "holds other weights than this config makes"),
    (TUNING, {"a": (3, 2)}, "is another model's: of a it has (2, 3) where (3, 2) belongs"),
]


@pytest.mark.parametrize(("tuning", "shapes", "phrase"), OF_ANOTHER_RUN)
def test_a_checkpoint_of_another_run(
    tuning: dict[str, Any], shapes: dict[str, tuple[int, ...]], phrase: str
) -> None:
    checkpoint = {"tuning": TUNING, "state_dict": {"a": torch.ones(2, 3)}}
    check_fits(checkpoint, TUNING, {"a": (2, 3)})  # the control
    with pytest.raises(ConfigError) as refused:
        check_fits(checkpoint, tuning, shapes)
    assert str(refused.value).startswith("ckpt_path: the checkpoint ")
    assert phrase in str(refused.value)
