"""Paths that are accepted as a checkpoint, and those that are refused."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console
from safetensors.torch import load_file, save_file

from export_helpers import BATCHES, export, save_run
from model_helpers import embedded_policy
from trainer_helpers import make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import AdapterCheckpoint
from visionthink_pl.commands.export import export as command
from visionthink_pl.commands.export.export import Options, main
from visionthink_pl.families import Family
from visionthink_pl.types import ConfigError

ADAPTER = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, family: Family) -> Path:
    """A run's folder; it must not be written to."""
    folder = tmp_path_factory.mktemp("saved") / "run"
    save_run(embedded_policy(family), folder, lora={"r": 4, "alpha": 32})
    return folder


@pytest.fixture
def run(saved: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(saved, tmp_path / "run"))


def ckpt_of(run: Path) -> Path:
    return run / "checkpoints" / f"step={BATCHES}.ckpt"


def test_folder_and_checkpoint_give_the_same_adapter(run: Path, tmp_path: Path) -> None:
    file = ckpt_of(run)
    folder = file.with_suffix("")
    both = export(file, tmp_path / "both")
    alone = export(folder, tmp_path / "folder")
    shutil.rmtree(folder)
    without = export(file, tmp_path / "file")
    expected = load_file(both / ADAPTER)
    assert any(value.any() for name, value in expected.items() if "lora_B" in name)
    for other in (alone, without):
        found = load_file(other / ADAPTER)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], value) for name, value in expected.items())
        configs = [json.loads((f / "adapter_config.json").read_text()) for f in (other, both)]
        assert configs[0] == configs[1]


def test_a_frozen_copy_of_the_start_is_left_out(run: Path, tmp_path: Path) -> None:
    file = ckpt_of(run)
    read = torch.load(file)
    for name, value in list(read["state_dict"].items()):
        read["state_dict"][name.replace(".default.", ".reference.")] = value + 1
    torch.save(read, file)
    found = load_file(export(file, tmp_path / "out") / ADAPTER)
    assert len(found) == sum(".default." in name for name in read["state_dict"])


def test_a_checkpoint_written_by_the_trainer(tmp_path: Path, saved: Path) -> None:
    saves = AdapterCheckpoint(tmp_path / "checkpoints", filename="{step}")
    module = make_module()
    trainer = make_trainer(
        tmp_path, make_rollout(), saves, enable_checkpointing=True, max_steps=1, max_epochs=-1
    )
    trainer.fit(module, datamodule=make_data())
    shutil.copy(saved / "config.yaml", tmp_path)
    out = export(tmp_path / "checkpoints" / "step=1.ckpt", tmp_path / "out")
    beside = load_file(tmp_path / "checkpoints" / "step=1" / ADAPTER)
    found = load_file(out / ADAPTER)
    assert found.keys() == beside.keys()
    assert all(torch.equal(found[name], value) for name, value in beside.items())
    assert "| optimizer steps | 1 |\n| rollout batches | 1 |" in (out / "README.md").read_text()


def test_the_base_may_be_named_in_place_of_the_config(run: Path, tmp_path: Path) -> None:
    (run / "config.yaml").unlink()
    out = export(ckpt_of(run), tmp_path / "out", "--pretrained", "embedded", "--merge")
    card = (out / "README.md").read_text()
    assert card.count("unknown: the run's config was not found") == 4
    assert "the run's is unknown" in card
    assert "seed_everything" not in card


def test_out_may_be_an_empty_folder(run: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert (export(ckpt_of(run), tmp_path / "out") / ADAPTER).is_file()


def _edit(run: Path, **values: object) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["model"] |= values
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def _no_folder(run: Path) -> None:
    shutil.rmtree(ckpt_of(run).with_suffix(""))


def _other_folder(run: Path) -> None:
    file = ckpt_of(run).with_suffix("") / ADAPTER
    save_file({name: value + 1 for name, value in load_file(file).items()}, file)


def _neither(run: Path) -> None:
    _no_folder(run)
    _edit(run, lora=None)


def _other_rank(run: Path) -> None:
    _no_folder(run)
    _edit(run, lora={"r": 8, "alpha": 32})


def _gone_start(run: Path) -> None:
    _no_folder(run)
    _edit(run, lora={"r": 4, "alpha": 32, "adapter": "gone"})


def _ia3(run: Path) -> None:
    file = ckpt_of(run).with_suffix("") / "adapter_config.json"
    file.write_text(json.dumps({"peft_type": "IA3"}))


NOTHING = lambda run: None  # noqa: E731
STEP = f"checkpoints/step={BATCHES}"
# what is done to the run, what is named, what the error must say
REFUSED: list[tuple[Callable[[Path], object], str, list[str]]] = [
    (NOTHING, "gone.ckpt", ["ckpt: there is no file or folder", "gone.ckpt"]),
    (
        NOTHING,
        "checkpoints",
        ["ckpt: there is no adapter_config.json in the folder", "did you mean '", f"{STEP}.ckpt'?"],
    ),
    (_no_folder, STEP, ["ckpt: there is no file or folder", "did you mean", ".ckpt'?"]),
    (NOTHING, "config.yaml", ["ckpt:", "can't be read as a checkpoint"]),
    (
        lambda r: (r / "config.yaml").unlink(),
        f"{STEP}.ckpt",
        ["--config", "--pretrained"],
    ),
    (
        lambda r: (r / "config.yaml").write_text("a: 1"),
        f"{STEP}.ckpt",
        ["is not a run's config", "lacks"],
    ),
    (lambda r: (r / "config.yaml").write_text("a: [1"), f"{STEP}.ckpt", ["config: can't read"]),
    (_other_folder, f"{STEP}.ckpt", ["holds another adapter than", "name the folder"]),
    (_neither, f"{STEP}.ckpt", ["config:", "rank and scale are not known"]),
    (_other_rank, f"{STEP}.ckpt", ["an adapter of another model", "4 x 384", "8 x 384"]),
    (_gone_start, f"{STEP}.ckpt", ["model.lora.adapter", "'gone'"]),
    (_ia3, STEP, ["is a PeftType.IA3, not LoRA"]),
    (lambda r: _edit(r, pretrained="/no/where"), f"{STEP}.ckpt", ["model.pretrained", "/no/where"]),
    (lambda r: torch.save({"a": 1}, r / "b.ckpt"), "b.ckpt", ["no checkpoint of a training run"]),
]


@pytest.mark.parametrize(("change", "named", "said"), REFUSED)
def test_refused(
    run: Path, tmp_path: Path, change: Callable[[Path], object], named: str, said: list[str]
) -> None:
    change(run)
    options = Options(str(run / named), str(tmp_path / "out"))
    with pytest.raises(ConfigError) as refused:
        command.export(options, Console(quiet=True))
    assert all(part in str(refused.value) for part in said), refused.value
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_of_many_checkpoints_the_newest_are_named(run: Path, tmp_path: Path, capsys) -> None:
    folder = run / "checkpoints"
    for step in (100, 20, 60, 40):  # in the order of writing
        (folder / f"epoch=0-step={step}.ckpt").touch()
        os.utime(folder / f"epoch=0-step={step}.ckpt", (2e9 - step, 2e9 - step))
    assert main(["--ckpt", str(folder), "--out", str(tmp_path / "out")]) == 2
    line = capsys.readouterr().err
    assert re.findall(r"step=(\d+)\.ckpt'", line) == ["20", "40", "60"]
    assert "(or one of 2 older ones)?" in line


@pytest.mark.parametrize("mask", [0o022, 0o027])
@pytest.mark.parametrize("merge", [[], ["--merge"]])
def test_weights_have_the_mode_of_other_files(
    run: Path, tmp_path: Path, mask: int, merge: list[str]
) -> None:
    before = os.umask(mask)
    try:
        out = export(ckpt_of(run), tmp_path / "out", *merge)
    finally:
        os.umask(before)
    assert list(out.glob("*.safetensors"))
    assert {file.stat().st_mode & 0o777 for file in out.iterdir()} == {0o666 & ~mask}


def test_another_model_s_weights(run: Path, qwen_checkpoint: Path, tmp_path: Path, capsys) -> None:
    args = ["--ckpt", str(ckpt_of(run)), "--out", str(tmp_path / "out")]
    assert main([*args, "--pretrained", str(qwen_checkpoint)]) == 2
    assert "holds an adapter of another model than" in capsys.readouterr().err


def test_files_in_out_are_kept(run: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").touch()
    assert main(["--ckpt", str(ckpt_of(run)), "--out", str(out)]) == 2
    assert "out:" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_an_unknown_option_and_the_nearest(capsys) -> None:
    assert main(["--ckpt", "a", "--out", "b", "--merged"]) == 2
    assert "did you mean merge?" in capsys.readouterr().err


def test_the_page_names_the_options() -> None:
    page = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `--(\w+)` \|", page, re.MULTILINE)
    assert set(named) == {field.name for field in fields(Options)}


@pytest.mark.parametrize("named", [32, "32", None])
def test_precision_as_a_config_may_write_it(run: Path, tmp_path: Path, named: object) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["trainer"]["precision"] = named
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    out = export(ckpt_of(run), tmp_path / "out")
    assert json.loads((out / "conversation.json").read_text())["dtype"] == "float32"


def test_the_working_directory_as_out(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    export(ckpt_of(run), Path("."))
    assert (here / ADAPTER).is_file() and Path(ADAPTER).is_file()  # it is still the same folder
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "run"]


def test_what_can_t_be_written_is_refused_before_anything_is_merged(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(command, "merge", None)
    (tmp_path / "file").touch()
    args = ["--ckpt", str(ckpt_of(run)), "--out", str(tmp_path / "file" / "out"), "--merge"]
    assert main(args) == 2
    assert "out: " in capsys.readouterr().err


def test_nothing_is_left_of_an_export_that_failed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no memory left")

    monkeypatch.setattr(command, "merge", fail)
    with pytest.raises(RuntimeError, match="no memory left"):
        export(ckpt_of(run), tmp_path / "out", "--merge")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
