"""Files that are taken for a checkpoint, and those that are not."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch

from visionthink_pl.module.checkpoints import read_checkpoint
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
