"""A stream whose file vanishes while the run goes on: the run stops with a checkpoint."""

import io
from pathlib import Path
from typing import Any

import pytest
from lightning import Callback
from PIL import Image

from table_helpers import write_parquet
from trainer_helpers import make_data, make_module, make_rollout, make_trainer
from visionthink_pl.data import VQAStream
from visionthink_pl.types import RunStopped

FILES, ROWS = 6, 2  # each file is one batch


class Removes(Callback):
    """Removes a file after the first batch. The loader is at most two files ahead."""

    def __init__(self, file: Path) -> None:
        self._file, self.batches = file, 0

    def on_train_batch_end(self, *args: Any) -> None:
        self._file.unlink(missing_ok=True)
        self.batches += 1


def test_the_run_stops_with_a_checkpoint(tmp_path: Path) -> None:
    written = io.BytesIO()
    Image.new("RGB", (112, 112)).save(written, "PNG")
    row = {"question": "Which?", "answer": "7", "image": written.getvalue()}
    for number in range(FILES):
        write_parquet(tmp_path / f"{number}.parquet", [row] * ROWS)
    stream = VQAStream(str(tmp_path / "*.parquet"), ["k"], block=ROWS)
    removes = Removes(tmp_path / f"{FILES - 1}.parquet")
    rollout = make_rollout(max_new_tokens=8)
    trainer = make_trainer(tmp_path, rollout, removes, max_steps=FILES, limit_val_batches=0)
    with pytest.raises(RunStopped, match=r"VQAStream.path: .* can't be read any further: .*5.parq"):
        trainer.fit(make_module(kinds=("k",)), datamodule=make_data(stream))
    assert 1 <= removes.batches < FILES
    assert (tmp_path / "checkpoints" / "stopped.ckpt").is_file()
