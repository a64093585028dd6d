"""The bar says what is going on."""

from pathlib import Path

import pytest
from lightning import Callback

from trainer_helpers import make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import PhaseProgressBar


class Listener(Callback):
    """Notes what the bar says when the rollout is done, and when the step is."""

    def __init__(self, bar: PhaseProgressBar) -> None:
        self.bar, self.heard = bar, []

    def on_train_batch_start(self, *args) -> None:
        self.heard.append(self.bar.train_progress_bar.desc)

    def on_train_batch_end(self, *args) -> None:
        self.heard.append(self.bar.train_progress_bar.desc)


@pytest.mark.integration
def test_phases_of_a_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bar = PhaseProgressBar(refresh_rate=1)
    listener = Listener(bar)
    trainer = make_trainer(
        tmp_path,
        bar,
        make_rollout(),
        listener,
        enable_progress_bar=True,
        limit_train_batches=1,
    )
    trainer.fit(make_module(), datamodule=make_data())
    after_rollout, after_step = listener.heard
    assert "rollout" in after_rollout and "update" in after_step
    assert "Validation" in capsys.readouterr().out + bar.val_progress_bar.desc
    assert "v_num" not in bar.get_metrics(trainer, trainer.lightning_module)
