"""What the page on new families says is so."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_model
from transformers import dynamic_module_utils

from families_helpers import make_checkpoint, make_config, make_model, make_processor
from model_helpers import adapted_policy, mixed_trajectories
from trainer_helpers import SMALL_RUN, ByPlace
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.families import FAMILIES, Family, load_family
from visionthink_pl.rewards import FormatReward

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "new-family.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

# Code that comes with a checkpoint.
REMOTE = """\
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration


class StrangerConfig(Qwen2_5_VLConfig):
    model_type = "stranger_vl"


class StrangerModel(Qwen2_5_VLForConditionalGeneration):
    config_class = StrangerConfig
"""


def table(heading: str) -> list[str]:
    """The first column of the table under ``heading``."""
    _, _, rest = PAGE.partition(f"\n| {heading} |")
    rows = re.match(r".*\n\|[-|]+\|\n((?:\|.*\n)+)", rest)
    assert rows, heading
    return re.findall(r"^\| `(\w+)`", rows[1], re.MULTILINE)


def test_the_methods_are_the_abstract_ones() -> None:
    assert set(table("method")) == Family.__abstractmethods__


def test_the_attributes_are_those_without_a_value() -> None:
    assert set(table("attribute")) == {n for n in Family.__annotations__ if not hasattr(Family, n)}


def test_the_defaults_are_there() -> None:
    assert all(hasattr(Family, name) for name in table("default"))
    assert not set(table("default")) & Family.__abstractmethods__


def test_the_families_are_those_that_are_there() -> None:
    assert table("`model_type`") == list(FAMILIES)
    for model_type, family in FAMILIES.items():
        assert f"| `{model_type}` | `{family.__name__}` |" in PAGE


def test_the_family_that_may_write_boxes() -> None:
    (code,) = (block for block in CODE if "WithBoxes" in block)
    names: dict[str, Any] = {}
    exec(code, names)
    masks = [load_family("embedded", family) for family in (None, names["WithBoxes"])]
    plain_V, boxes_V = (family.never_sampled(576) for family in masks)
    allowed = (plain_V & ~boxes_V).nonzero()[:, 0].tolist()
    assert masks[0].decode(allowed) == "<|box_start|><|box_end|>"
    assert not (boxes_V & ~plain_V).any()


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint that is a Qwen2.5-VL in all but name, which comes with code."""
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = shutil.copytree(
        make_checkpoint("qwen2_5_vl", tmp_path / "known"), tmp_path / "stranger"
    )
    config = json.loads((folder / "config.json").read_text())
    auto_map = {
        "AutoConfig": "stranger.StrangerConfig",
        "AutoModelForImageTextToText": "stranger.StrangerModel",
    }
    config |= {"model_type": "stranger_vl", "auto_map": auto_map}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "stranger.py").write_text(REMOTE)
    # Under the names of the modules: the published names are translated for known types alone.
    model = make_model(make_config("qwen2_5_vl", make_processor("qwen2_5_vl")))
    save_model(model, str(folder / "model.safetensors"), metadata={"format": "pt"})
    return folder


def test_the_family_of_the_page_works_from_a_file_outside_the_package(
    stranger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = (block for block in CODE if "Stranger" in block)
    (config,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    module, name = yaml.safe_load(config)["model"]["family"].split(".")
    (tmp_path / f"{module}.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    family = load_family(stranger, vars(__import__(module))[name], trust_remote_code=True)
    trajectories = mixed_trajectories(family)
    policy = adapted_policy(str(stranger), family)
    assert type(policy.base).__name__ == "StrangerModel"
    known = tmp_path / "known"
    expected = adapted_policy(str(known), load_family(known))
    with torch.no_grad():
        assert torch.equal(policy(trajectories), expected(trajectories))


@pytest.mark.integration
def test_the_complete_file_trains_by_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else it does is tested with the same file, which lies among the tests."""
    (code,) = (block for block in CODE if "PixtralLlava" in block)
    assert code == (TESTS / "pixtral_llava.py").read_text(encoding="utf-8")
    assert len(code.splitlines()) < 100
    folder = make_checkpoint("pixtral_llava", tmp_path / "base")
    (tmp_path / "my_llava.py").write_text(code)
    model = f"model: {{pretrained: {folder}, family: my_llava.PixtralLlava}}\n"
    (tmp_path / "small.yaml").write_text(SMALL_RUN + model)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # `python -m` does that
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    monkeypatch.setattr(FormatReward, "score", ByPlace.score)  # random weights are all wrong
    assert main(["fit", "--config", "small.yaml"]) == 0
    (file,) = tmp_path.rglob("metrics.csv")
    with file.open() as lines:
        (row,) = (r for r in csv.DictReader(lines) if r.get("loss/grad_norm"))
    assert float(row["loss/grad_norm"]) > 0
