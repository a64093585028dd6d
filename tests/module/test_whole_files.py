"""Checkpoints are whole or absent; damaged ones are refused in one line, and no code is run."""

import errno
import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from trainer_helpers import Plain, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import AdapterCheckpoint
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.module.checkpoints import read_checkpoint
from visionthink_pl.module.whole_files import WholeCheckpointIO, whole
from visionthink_pl.types import ConfigError, DiskFull

KILLED = """
import os, signal, sys
import torch
from visionthink_pl.module import whole_files
file, at = sys.argv[1:]
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if at == "write":
    torch.save = lambda what, out: (out.write(b"half"), out.flush(), kill())
else:
    setattr(whole_files.os, at, kill)
whole_files.WholeCheckpointIO().save_checkpoint({"new": 1}, file)
"""


def write(file: Path, value: Any) -> None:
    WholeCheckpointIO().save_checkpoint(value, file)


def read(file: Path) -> Any:
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("at", ["write", "fsync", "replace"])
@pytest.mark.parametrize("there", [False, True])
def test_a_kill_leaves_the_old_file_or_none(at: str, there: bool, tmp_path: Path) -> None:
    file = tmp_path / "a" / "step=1.ckpt"
    if there:
        write(file, {"old": 1})
    ran = subprocess.run([sys.executable, "-c", KILLED, str(file), at], check=False)
    assert ran.returncode < 0
    assert file.exists() == there and (not there or read(file) == {"old": 1})
    write(file, {"next": 1})
    assert read(file) == {"next": 1} and os.listdir(file.parent) == ["step=1.ckpt"]


def no_room(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def torch_s_words(*_: Any) -> None:
    try:
        no_room()
    finally:
        raise RuntimeError("unexpected pos 704 vs 598")


def safetensors_words(*_: Any) -> None:
    raise ValueError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("fails", [no_room, torch_s_words, safetensors_words])
def test_a_full_disk_is_named_and_nothing_is_lost(
    fails: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "step=1.ckpt"
    write(file, {"old": 1})
    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(DiskFull, match=r"no space left for .*step=1.ckpt: it was not written"):
        write(file, {"new": 1})
    assert read(file) == {"old": 1} and os.listdir(tmp_path) == ["step=1.ckpt"]


def test_another_error_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="local"):
        write(tmp_path / "x.ckpt", {"a": lambda: None})
    assert os.listdir(tmp_path) == []


def test_a_folder_takes_another_s_place_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "step=1"
    for name in ("old", "new"):
        with whole(folder) as partial:
            partial.mkdir()
            (partial / name).touch()
    assert os.listdir(folder) == ["new"]
    with pytest.raises(KeyError), whole(folder) as partial:
        partial.mkdir()
        raise KeyError
    assert os.listdir(tmp_path) == ["step=1"] and os.listdir(folder) == ["new"]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a fit."""
    folder = tmp_path_factory.mktemp("good")
    keep = AdapterCheckpoint(folder)
    trainer = make_trainer(
        folder, make_rollout(), keep, limit_val_batches=0, enable_checkpointing=True
    )
    trainer.fit(make_module(), datamodule=make_data(Plain(2)))
    assert isinstance(trainer.strategy.checkpoint_io, WholeCheckpointIO)
    (file,) = folder.glob("*.ckpt")
    assert (file.with_suffix("") / "adapter_model.safetensors").is_file()
    assert not list(folder.rglob("*.partial"))
    return file


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (os.mkdir, ("run-by-a-checkpoint",))


def with_code(content: bytes) -> bytes:
    """The archive with another pickle in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            code = pickle.dumps(Evil(), protocol=2)
            new.writestr(name, code if name.endswith("data.pkl") else old.read(name))
    return out.getvalue()


def flipped(content: bytes, share: float) -> bytes:
    """With one bit changed."""
    place = int(len(content) * share)
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "text": lambda content: b"hello",
    "zeros": lambda content: bytes(len(content)),
    "cut at 10%": lambda content: content[: len(content) // 10],
    "cut at half": lambda content: content[: len(content) // 2],
    "cut at 99%": lambda content: content[: len(content) * 99 // 100],
    "one byte short": lambda content: content[:-1],
    "code in the archive": with_code,
    "code alone": lambda content: pickle.dumps(Evil()),
    "another archive": lambda content: b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_in_one_line(
    damage: str, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "bad: one.ckpt"
    file.write_bytes(DAMAGE[damage](good.read_bytes()))
    with pytest.raises(ConfigError, match="ckpt_path: .*bad: one.ckpt") as refused:
        read_checkpoint(file, "ckpt_path")
    assert "\n" not in str(refused.value)
    assert not Path("run-by-a-checkpoint").exists()


def test_a_flipped_bit_is_found_or_stands_where_nothing_is(good: Path, tmp_path: Path) -> None:
    """Between the parts of a file is room that nothing reads."""
    whole_one, found = torch.load(good, weights_only=False), 0
    for place in range(1, 40):
        file = tmp_path / f"{place}.ckpt"
        file.write_bytes(flipped(good.read_bytes(), place / 40))
        try:
            state = read_checkpoint(file, "ckpt_path")
        except ConfigError:
            found += 1
            continue
        for name, value in whole_one["state_dict"].items():
            assert torch.equal(state["state_dict"][name], value)
    assert found > 20


def test_the_control_a_good_one_is_read(good: Path) -> None:
    assert read_checkpoint(good, "ckpt_path")["global_step"] == 1


def changed(good: Path, change: Callable[[dict[str, Any]], Any]) -> Any:
    state = torch.load(good, weights_only=False)
    value = change(state)
    return state if value is None else value


def spoil(value: float) -> Callable[[dict[str, Any]], None]:
    def change(state: dict[str, Any]) -> None:
        next(iter(state["state_dict"].values()))[0, 0] = value

    return change


def spoil_optimizer(state: dict[str, Any]) -> None:
    next(iter(state["optimizer_states"][0]["state"].values()))["exp_avg"][0] = float("nan")


# What is written well, and is no checkpoint of this run.
CONTENTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a list": (lambda state: [1], "is no checkpoint of a training run"),
    "a tensor": (lambda state: torch.zeros(2), "is no checkpoint of a training run"),
    "no weights": (lambda state: state.pop("state_dict") and None, "is no checkpoint"),
    "no step": (lambda state: state.pop("global_step") and None, "is no checkpoint"),
    "NaN": (spoil(float("nan")), "are not finite; take an earlier one"),
    "infinity": (spoil(float("inf")), "are not finite; take an earlier one"),
    "weights that are none": (
        lambda state: state | {"state_dict": dict.fromkeys(state["state_dict"], "x")},
        "not all weights are tensors",
    ),
    "a list of weights": (lambda state: state | {"state_dict": []}, "its state_dict is no dict"),
    "a step in words": (lambda state: state | {"global_step": "1"}, "its global_step is no int"),
    "loops that are none": (lambda state: state | {"loops": 3}, "its loops is no dict"),
    "callbacks that are none": (lambda state: state | {"callbacks": []}, "its callbacks is no"),
    "no draws": (lambda state: state | {"callbacks": {}}, "how many draws there were"),
    "draws in words": (
        lambda state: state | {"callbacks": {"RolloutCallback": {"draw": "1"}}},
        "how many draws there were",
    ),
    "no place in the data": (
        lambda state: state.pop("PromptDataModule") and None,
        "where in the data the run was",
    ),
    "no counters": (lambda state: state | {"loops": {"fit_loop": {}}}, "counters of batches"),
    "no optimizer": (lambda state: state.pop("optimizer_states") and None, "optimizer's state"),
    "an optimizer that is not finite": (spoil_optimizer, "the optimizer's state is not finite"),
    "one weight missing": (
        lambda state: state | {"state_dict": dict(list(state["state_dict"].items())[1:])},
        "holds other weights than this config makes",
    ),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_other_contents_are_refused_in_one_line(name: str, good: Path, tmp_path: Path) -> None:
    change, message = CONTENTS[name]
    file = tmp_path / "other.ckpt"
    write(file, changed(good, change))
    trainer = make_trainer(tmp_path, make_rollout(), limit_val_batches=0, max_epochs=2)
    with pytest.raises(ConfigError, match=message):
        read_checkpoint(file, "ckpt_path")
        trainer.fit(make_module(), datamodule=make_data(Plain(2)), ckpt_path=file)


@pytest.mark.integration
def test_a_fit_on_a_full_disk_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    written = iter([None, no_room])
    plain = torch.save

    def save(*args: Any, **more: Any) -> None:
        fails = next(written)
        (fails or plain)(*args, **more)

    monkeypatch.setattr(torch, "save", save)
    args = [
        *("fit", f"--config={Path(__file__).parents[2] / 'configs' / 'quickstart.yaml'}"),
        *("--data.validation=null", "--data.prompts_per_step=4", "--rollout.group_size=2"),
        *("--trainer.limit_train_batches=4", "--rollout.rewards=[trainer_helpers.ByPlace]"),
        "--trainer.callbacks=[{class_path: visionthink_pl.callbacks.AdapterCheckpoint, "
        "init_args: {every_n_train_steps: 1, save_top_k: -1}}]",
    ]
    assert main(args) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: no space left for ") and "step=2.ckpt" in error
    (file,) = tmp_path.rglob("*.ckpt")
    assert read_checkpoint(file, "x")["global_step"] == 1
