"""Checkpoints hold the adapter alone, and lie beside it in PEFT's own format."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftConfig, PeftModel, get_peft_model_state_dict
from transformers import AutoModelForImageTextToText

from trainer_helpers import ByPlace, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import AdapterCheckpoint
from visionthink_pl.families import EMBEDDED
from visionthink_pl.policy import Policy
from visionthink_pl.rewards.base import Scores
from visionthink_pl.types import ConfigError, Group


@dataclass
class Trained:
    """Two optimizer steps, each saved."""

    folder: Path
    policy: Policy

    @property
    def last(self) -> Path:
        return self.folder / "step=2.ckpt"


def train(folder: Path, **settings) -> Policy:
    saves = AdapterCheckpoint(folder, filename="{step}", every_n_train_steps=1, **settings)
    module = make_module()
    trainer = make_trainer(folder, make_rollout(), saves, enable_checkpointing=True)
    trainer.fit(module, datamodule=make_data())
    assert trainer.global_step == 2 and module.policy is not None
    return module.policy


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("checkpoints")
    return Trained(folder, train(folder, save_top_k=-1))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_checkpoint_has_its_folder(trained: Trained) -> None:
    assert names(trained.folder) == ["step=1", "step=1.ckpt", "step=2", "step=2.ckpt"]
    adapter = trained.folder / "step=2"
    assert names(adapter) == ["adapter_config.json", "adapter_model.safetensors"]
    modes = {path.stat().st_mode for path in adapter.iterdir()}
    assert len(modes) == 1  # whoever may read the one may read the other


def test_peft_loads_the_folder_as_the_adapter_that_was_trained(trained: Trained) -> None:
    base = AutoModelForImageTextToText.from_pretrained(EMBEDDED)
    loaded = PeftModel.from_pretrained(base, trained.last.with_suffix("")).eval()
    expected = get_peft_model_state_dict(trained.policy.model)
    found = get_peft_model_state_dict(loaded)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)
    moved = [name for name, value in found.items() if "lora_B" in name and value.any()]
    assert len(moved) == len(found) / 2  # every one: it started at zero

    ids_1T = torch.arange(10, 30)[None]
    with torch.no_grad():
        logits = loaded(input_ids=ids_1T).logits
        torch.testing.assert_close(logits, trained.policy.model.eval()(input_ids=ids_1T).logits)
        with loaded.disable_adapter():
            assert not torch.allclose(logits, loaded(input_ids=ids_1T).logits)


def test_the_adapter_has_peft_s_default_name_and_our_settings(trained: Trained) -> None:
    config = PeftConfig.from_pretrained(trained.last.with_suffix(""))
    assert (config.r, config.lora_alpha, config.lora_dropout) == (4, 32, 0.0)
    assert list(trained.policy.model.peft_config) == ["default"]


def test_the_folder_before_holds_the_step_before(trained: Trained) -> None:
    first, second = (
        torch.load(trained.folder / f"step={step}.ckpt", weights_only=False)["state_dict"]
        for step in (1, 2)
    )
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_the_checkpoint_holds_adapter_weights_alone(trained: Trained) -> None:
    checkpoint = torch.load(trained.last, weights_only=False)
    trainable = {f"policy.{n}" for n, p in trained.policy.named_parameters() if p.requires_grad}
    assert set(checkpoint["state_dict"]) == trainable != set()
    assert all("lora_" in name for name in trainable)
    assert checkpoint["global_step"] == 2
    assert checkpoint["callbacks"]["RolloutCallback"] == {"draw": 2}
    assert "hyper_parameters" not in checkpoint  # they would override the YAML on resume


# Settings of the checkpoint, and what is left after two steps.
LEFT = [
    ({"save_top_k": 1}, ["step=2", "step=2.ckpt"], "the older one goes with its folder"),
    (
        {"save_top_k": 1, "monitor": "train/unreadable", "mode": "min"},
        ["step=1", "step=1.ckpt"],
        "the second is no better, and never saved",
    ),
    ({"save_top_k": 0, "save_last": True}, ["last", "last.ckpt"], "the last one alone"),
]


@pytest.mark.parametrize(("settings", "left", "why"), LEFT)
def test_what_is_removed_goes_with_its_folder(
    tmp_path: Path, settings: dict, left: list[str], why: str
) -> None:
    train(tmp_path, **settings)
    assert names(tmp_path) == left, why


def test_the_hub_is_not_asked(
    tmp_path: Path, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PEFT would ask for the config of a base that is no folder."""
    asked: list[str] = []
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr("peft.utils.other.file_exists", lambda *args, **_: asked.append(args[0]))
    module, saves = make_module(), AdapterCheckpoint(tmp_path, save_last=True)
    trainer = make_trainer(tmp_path, make_rollout(), saves, enable_checkpointing=True)
    trainer.strategy.connect(module)
    module.trainer, module.policy = trainer, trained.policy
    model = trained.policy.model
    assert isinstance(model, PeftModel)
    config = model.peft_config["default"]
    monkeypatch.setattr(config, "base_model_name_or_path", "some/model")
    saves._save_checkpoint(trainer, str(tmp_path / "mine.ckpt"))
    saved = PeftConfig.from_pretrained(tmp_path / "mine")
    assert saved.base_model_name_or_path == "some/model" and not asked
    model.save_pretrained(str(tmp_path / "plain"))  # negative control: this is what would ask
    assert asked == ["some/model"]


class OneGroupAtFirst(ByPlace):
    """In the first batch one group alone has signal: it takes one step, and the others two."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = 0

    def score(self, group: Group, parts: dict[str, Scores]) -> Scores:
        self._seen += 1
        scores = super().score(group, parts)
        return [0.0] * len(scores) if self._seen == 1 else scores


# When checkpoints are due, and which are written of steps 1, 3, 5 and 7.
DUE = [
    ({"every_n_train_steps": 1}, [1, 3, 5, 7], "after each batch"),
    ({"every_n_train_steps": 2}, [3, 5, 7], "once it has been passed, though never met"),
    ({"every_n_train_steps": 4}, [5, 7], "and at the end"),
    ({"every_n_train_steps": 100}, [7], "the end alone"),
    ({"every_n_train_steps": 4, "monitor": "train/unreadable"}, [5], "not the end, by a figure"),
    ({"train_time_interval": timedelta(microseconds=1)}, [1, 3, 5, 7], "by the clock"),
    ({"train_time_interval": timedelta(hours=1)}, [7], "not yet, by the clock"),
]


@pytest.fixture(scope="module")
def due(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all of these at once, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("due")
    saves = [
        AdapterCheckpoint(folder / str(row), filename="{step}", save_top_k=-1, **settings)
        for row, (settings, *_) in enumerate(DUE)
    ]
    rollout = make_rollout(rewards=[OneGroupAtFirst()])
    trainer = make_trainer(folder, rollout, *saves, enable_checkpointing=True, max_epochs=2)
    trainer.fit(make_module(updates_per_batch=2), datamodule=make_data())
    assert trainer.global_step == 7
    return folder


@pytest.mark.parametrize("row", range(len(DUE)), ids=[why for *_, why in DUE])
def test_when_a_batch_takes_several_steps(due: Path, row: int) -> None:
    files = (due / str(row)).glob("step=*.ckpt")
    assert sorted(int(file.stem.removeprefix("step=")) for file in files) == DUE[row][1]


def test_the_newest_are_kept(tmp_path: Path) -> None:
    train(tmp_path / "one", keep_last=1)
    assert names(tmp_path / "one") == ["step=2", "step=2.ckpt"]
    train(tmp_path / "more", keep_last=5)
    assert names(tmp_path / "more") == ["step=1", "step=1.ckpt", "step=2", "step=2.ckpt"]


def test_a_resumed_run_keeps_as_many(tmp_path: Path) -> None:
    folder = tmp_path / "saved"

    def fit(epochs: int, ckpt: Path | None) -> None:
        saves = AdapterCheckpoint(folder, filename="{step}", every_n_train_steps=1, keep_last=2)
        settings = {"enable_checkpointing": True, "max_epochs": epochs}
        trainer = make_trainer(tmp_path, make_rollout(), saves, **settings)
        trainer.fit(make_module(), datamodule=make_data(), ckpt_path=ckpt)

    fit(1, None)
    fit(2, folder / "step=2.ckpt")
    assert names(folder) == ["step=3", "step=3.ckpt", "step=4", "step=4.ckpt"]


@pytest.mark.parametrize("options", [{"monitor": "val/accuracy"}, {"save_top_k": 3}])
def test_what_keep_last_does_not_go_with(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="keep_last: without"):
        AdapterCheckpoint(keep_last=2, **options)
