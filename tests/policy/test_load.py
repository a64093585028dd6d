"""What is refused from a checkpoint's config alone, before any weights are loaded."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from families_helpers import family_of, make_checkpoint
from visionthink_pl.families import EMBEDDED, Family, load_family
from visionthink_pl.policy import Lora, check_loadable
from visionthink_pl.types import ConfigError


def test_the_embedded_model_is_fine(family: Family) -> None:
    check_loadable("embedded", family, Lora())
    check_loadable("embedded", family, Lora(targets=r".*\.q_proj|.*\.o_proj"))


def test_the_skeleton_has_the_model_s_modules_and_no_weights(family: Family) -> None:
    skeleton = family.skeleton(EMBEDDED)
    assert {parameter.device.type for parameter in skeleton.parameters()} == {"meta"}
    assert skeleton.get_submodule(family.vision_tower)


# A pattern, what the error must say, and why.
REFUSED = [
    (
        r".*\.(gate|up|down)_proj",
        r"reaches into the vision tower \(model\.visual\.",
        "MLPs of both",
    ),
    (r".*no_such_layer", "matches no linear layer", "no such name"),
    (r".*language_model.*q_proj|lm_head", "reaches the head, which is tied", "merging spoils both"),
    (r"q_proj", "matches no linear layer", "the pattern must match the whole name"),
    (r".*norm", "matches no linear layer", "a norm is not linear"),
]


@pytest.mark.parametrize(("targets", "message", "why"), REFUSED)
def test_patterns_that_miss_or_overreach(
    family: Family, targets: str, message: str, why: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_loadable("embedded", family, Lora(targets=targets))


def test_a_checkpoint_with_dropout(family: Family, tmp_path: Path) -> None:
    config = json.loads((EMBEDDED / "config.json").read_text(encoding="utf-8"))
    config["text_config"]["attention_dropout"] = 0.1
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ConfigError, match="sets attention_dropout to 0.1; it must be 0"):
        check_loadable(str(tmp_path), family, Lora())


def test_a_checkpoint_with_a_sliding_window(family: Family, tmp_path: Path) -> None:
    config = json.loads((EMBEDDED / "config.json").read_text(encoding="utf-8"))
    window = {"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 1}
    config["text_config"] |= window
    config["text_config"].pop("layer_types", None)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ConfigError, match="sliding window alone"):
        check_loadable(str(tmp_path), family, Lora())


# What a config of Mistral's says of all layers at once, where it does not list them.
WINDOWS = [({"sliding_window": 64}, True), ({"sliding_window": None}, False)]


@pytest.mark.parametrize(("window", "refused"), WINDOWS)
def test_one_window_for_all_layers(tmp_path: Path, window: dict, refused: bool) -> None:
    folder = make_checkpoint("pixtral_llava", tmp_path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["text_config"] |= {"model_type": "mistral", **window}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ConfigError, match="sliding window alone") if refused else nullcontext():
        check_loadable(str(folder), family_of(folder), Lora())


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"model.lora.targets: '\(' is no regular expression"):
        Lora(targets="(")


def test_a_folder_without_a_processor(tmp_path: Path) -> None:
    shutil.copy(EMBEDDED / "config.json", tmp_path)
    with pytest.raises(ConfigError, match="has no processor"):
        load_family(tmp_path)
