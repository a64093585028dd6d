"""The module without the command line."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from trainer_helpers import Plain, make_data, make_rollout, make_trainer
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.policy import Lora
from visionthink_pl.training import AdamW
from visionthink_pl.types import ConfigError, PromptBatch


def module_of(**settings: Any) -> VisionThinkModule:
    return VisionThinkModule("embedded", lora=Lora(r=4), optimizer=AdamW(lr=1e-2), **settings)


def test_kinds_are_those_of_the_data_and_checkpoints_load(tmp_path: Path) -> None:
    module = module_of()
    trainer = make_trainer(tmp_path, make_rollout(), limit_train_batches=1)
    trainer.fit(module, datamodule=make_data())
    assert module.kinds == ("plain",)
    assert "train/resize_rate/plain" in trainer.callback_metrics
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    loaded = VisionThinkModule.load_from_checkpoint(tmp_path / "one.ckpt", lora=Lora(r=4))
    trained = {n: p for n, p in module.named_parameters() if p.requires_grad}
    found = dict(loaded.named_parameters())
    assert trained and all(torch.equal(p, found[n]) for n, p in trained.items())
    with pytest.raises(ConfigError, match="the checkpoint was trained with"):
        VisionThinkModule.load_from_checkpoint(tmp_path / "one.ckpt", lora=Lora(r=8))


def test_loaders_of_one_s_own_need_kinds(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, make_rollout())
    with pytest.raises(ConfigError, match="^kinds: with loaders of your own, name every kind"):
        trainer.fit(module_of(), train_dataloaders=[[1, 2]])


def test_a_prediction_needs_no_kinds(tmp_path: Path) -> None:
    batch = PromptBatch([Plain()[0]])
    trainer = make_trainer(tmp_path, make_rollout())
    ((row,),) = trainer.predict(module_of(), dataloaders=DataLoader([batch], batch_size=None))
    assert row["id"] == "plain-0" and row["turns"]


def test_batches_of_another_kind_are_refused_by_name(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, make_rollout())
    with pytest.raises(ConfigError, match="dataloaders: each batch must be a PromptBatch, not li"):
        trainer.fit(module_of(kinds=("plain",)), train_dataloaders=[[1, 2]])
