"""``--ckpt_path last``: the newest whole checkpoint of the newest run of that name."""

import os
from pathlib import Path

import pytest
import yaml
from jsonargparse import Namespace

from trainer_helpers import SMALL_RUN
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.commands.trainer.run_folder import TENSORBOARD, newest_checkpoint
from visionthink_pl.module.whole_files import WholeCheckpointIO
from visionthink_pl.types import ConfigError


def write(folder: Path, name: str, order: int, damaged: bool = False) -> None:
    file = folder / "checkpoints" / name
    WholeCheckpointIO().save_checkpoint({"global_step": order}, file)
    if damaged:
        file.write_bytes(file.read_bytes()[:-10])
    os.utime(file, (order, order))


def trainer(folder: Path) -> Namespace:
    settings = Namespace(save_dir=str(folder), name="mine", version=None)
    return Namespace(logger=[Namespace(class_path=TENSORBOARD, init_args=settings)])


def test_the_newest_of_the_newest_run(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    write(mine / "version_9", "a.ckpt", 50)
    write(mine / "version_10", "b.ckpt", 10)
    write(mine / "version_10", "c.ckpt", 30)
    write(mine / "version_10", "d.ckpt", 20)
    write(tmp_path / "other" / "version_99", "e.ckpt", 99)
    (mine / "version_11" / "checkpoints").mkdir(parents=True)  # killed before its first one
    (mine / "version_10" / "checkpoints" / ".f.ckpt.partial").touch()
    (mine / "version_10" / "checkpoints" / "c").mkdir()  # the adapter beside it
    assert newest_checkpoint(trainer(tmp_path)).endswith("mine/version_10/checkpoints/c.ckpt")


def test_a_damaged_one_is_passed_over_and_named(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "version_0", "a.ckpt", 1)
    write(tmp_path / "mine" / "version_0", "b.ckpt", 2, damaged=True)
    with pytest.warns(UserWarning, match=r"b.ckpt.*; the one before it is taken"):
        found = newest_checkpoint(trainer(tmp_path))
    assert found.endswith("a.ckpt")


def test_without_any_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ckpt_path: last: .*mine/version_\*/checkpoints; leave"):
        newest_checkpoint(trainer(tmp_path))


@pytest.mark.integration
def test_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    config = yaml.safe_load(SMALL_RUN)
    config["rollout"]["rewards"] = [{"class_path": "trainer_helpers.ByPlace"}]
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    args = ["fit", "--config", "run.yaml", "--data.validation=null"]
    assert main([*args, "--ckpt_path=last"]) == 2  # there is none yet
    assert main(args) == 0
    assert main([*args, "--ckpt_path=last", "--trainer.max_epochs=2"]) == 0
    folders = [path.name for path in (tmp_path / "csv" / "lightning_logs").iterdir()]
    assert folders == ["version_0"]
    written = sorted(path.name for path in tmp_path.rglob("*.ckpt"))
    assert any("step=2" in name for name in written), written
