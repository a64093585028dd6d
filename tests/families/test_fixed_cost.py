"""A family whose images cost the same at any size is refused where the model is to decide when to
look closer, before any weights are loaded, and trains where it is not."""

from pathlib import Path

import pytest
from rich.console import Console

from clip_llava import ClipLlava
from families_helpers import family_of, make_checkpoint
from prepare_helpers import make_settings
from trainer_helpers import SMALL_RUN, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.commands.prepare.run import prepare
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.images import FullView, PixelLimits
from visionthink_pl.policy.policy_options import PolicyOptions
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import ConfigError

WHY = (
    "ClipLlava gives an image 16 visual tokens whatever its size, so that half the size saves "
    "none; take a model whose visual tokens grow with the image, such as Qwen2.5-VL"
)
NO_TOOL = f"rollout.tools: resize_image would never be offered: {WHY}, or set rollout.tools to []"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whole, for the way out."""
    return make_checkpoint("clip_llava", tmp_path_factory.mktemp("clip"))


@pytest.fixture
def no_weights(clip: Path, tmp_path: Path) -> Path:
    """Whoever asks for the weights fails otherwise."""
    folder = tmp_path / "no_weights"
    folder.mkdir()
    for file in clip.iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.mark.parametrize("stage", ["fit", "validate", "test", "predict"])
def test_every_stage_refuses_it_before_weights_are_loaded(
    no_weights: Path, tmp_path: Path, stage: str
) -> None:
    module = make_module(pretrained=str(no_weights), family=ClipLlava)
    trainer = make_trainer(tmp_path, make_rollout())
    with pytest.raises(ConfigError) as refused:
        getattr(trainer, stage)(module, datamodule=make_data(max_bad_rows=None))
    assert str(refused.value) == NO_TOOL


def test_the_command_says_so_in_one_line(
    no_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = f"model: {{pretrained: {no_weights}, family: clip_llava.ClipLlava}}\n"
    (tmp_path / "small.yaml").write_text(SMALL_RUN + model)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    assert main(["fit", "--config", "small.yaml"]) == 2
    assert NO_TOOL in capsys.readouterr().err


def test_data_are_not_sorted_by_it(no_weights: Path, tmp_path: Path) -> None:
    options = PolicyOptions(pretrained=str(no_weights), family=ClipLlava)
    settings = make_settings(tmp_path / "out", policy=options)
    with pytest.raises(ConfigError) as refused:
        prepare(settings, {}, Console())
    assert str(refused.value) == f"policy.pretrained: no sample would need the full image: {WHY}"


def test_without_a_tool_it_trains(clip: Path, tmp_path: Path) -> None:
    """What the error names as a way out is one."""
    module = make_module(pretrained=str(clip), family=ClipLlava)
    trainer = make_trainer(tmp_path, make_rollout(tools=[], first_view=FullView(), max_turns=1))
    trainer.fit(module, datamodule=make_data())
    assert trainer.global_step == 2
    assert float(trainer.callback_metrics["train/logprob_difference_max"]) < 1e-5


def test_all_others_are_offered_a_tool(checkpoint: Path) -> None:
    """Even where limits are so narrow that no image of theirs saves a token: that is told of when
    the images are seen."""
    options = ConversationOptions(limits=PixelLimits(max_pixels=28 * 28))
    Conversation(family_of(checkpoint), options)
