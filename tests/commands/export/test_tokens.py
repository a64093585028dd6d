"""An exported model, loaded by plain transformers, generates the policy's ids."""

import io
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import ExifTags, Image
from transformers import AutoModelForImageTextToText, GenerationConfig

from export_helpers import (
    NEW_TOKENS,
    conversation_of,
    example_of,
    export,
    read_card,
    samples,
    save_run,
    teach_to_call,
    trajectories_of_trainer,
    turns_of_export,
    turns_of_trainer,
)
from families_helpers import family_of, own_class
from model_helpers import adapted_policy
from visionthink_pl.families import EMBEDDED, Family
from visionthink_pl.images import decode
from visionthink_pl.policy import Full, Lora, Policy, load_policy
from visionthink_pl.rollout.decoder import Decoder, Given
from visionthink_pl.visual_tools import ToolResult

pytestmark = pytest.mark.equivalence


@dataclass
class Exported:
    """A policy's turns, and the folders that it was exported to."""

    ckpt: Path
    turns: list[list[list[int]]]
    adapter: Path
    merged: Path


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, family: Family) -> Exported:
    """The embedded model, taught to ask."""
    folder = tmp_path_factory.mktemp("taught")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        policy = load_policy("embedded", family, Lora(r=8), 1.0, torch.float32)
    teach_to_call(policy)
    asked = [trajectory.high for trajectory in trajectories_of_trainer(policy)]
    assert asked == [True, True, True, False]  # or the second look would go untested
    ckpt, _ = save_run(policy, folder / "run", lora={"r": 8, "alpha": 32})
    return Exported(
        ckpt,
        turns_of_trainer(policy),
        export(ckpt, folder / "adapter"),
        export(ckpt, folder / "merged", "--merge"),
    )


@pytest.mark.parametrize("form", ["adapter", "merged"])
def test_both_turns_are_the_trainer_s(taught: Exported, form: str) -> None:
    assert turns_of_export(getattr(taught, form)) == taught.turns


def test_the_untrained_base_answers_differently(taught: Exported) -> None:
    """What was trained is in what was exported, and the comparison can tell."""
    example = example_of(taught.merged)
    _, processor = example.load()
    base = AutoModelForImageTextToText.from_pretrained(EMBEDDED)
    base.generation_config = GenerationConfig.from_pretrained(taught.merged)
    sample = samples()[0]
    assert example.ask(base, processor, sample.images[0], sample.question) != taught.turns[0]


def test_a_cut_off_call_is_no_call(taught: Exported) -> None:
    example = example_of(taught.merged)
    model, processor = example.load()
    first, second = taught.turns[0]
    assert example.calls(model, processor, first)
    assert not example.calls(model, processor, first[:-1])
    assert not example.calls(model, processor, second)


def test_the_example_runs_where_this_package_is_unknown(taught: Exported, tmp_path: Path) -> None:
    sample = samples()[2]
    sample.images[0].save(tmp_path / "photo.png")
    script = (
        "import runpy, sys; sys.modules['visionthink_pl'] = None; "
        f"sys.argv[1:] = ['photo.png', {sample.question!r}]; "
        f"runpy.run_path({str(taught.merged / 'example.py')!r}, run_name='__main__')"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "<tool_call>" in done.stdout and "<answer>" in done.stdout


def turned() -> Image.Image:
    """A photograph that was taken with the camera held upright."""
    file = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.linear_gradient("L").resize((90, 60)).save(file, "JPEG", exif=exif)
    return Image.open(file)


PICTURES = {
    "turned": turned(),
    "transparent": Image.new("RGBA", (60, 40), (255, 0, 0, 0)),
    "grey with alpha": Image.new("LA", (60, 40), (80, 100)),
    "palette": Image.new("RGB", (60, 40), (9, 90, 200)).quantize(4),
    "16 bits": Image.new("I;16", (60, 40), 30_000),
    "CMYK": Image.new("CMYK", (60, 40), (200, 10, 30, 40)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_example_shows_the_pixels_that_training_does(taught: Exported, name: str) -> None:
    shown = example_of(taught.merged).upright(PICTURES[name])
    expected = decode(PICTURES[name])
    assert shown.mode == "RGB" and shown.size == expected.size
    assert shown.tobytes() == expected.tobytes()
    plain = PICTURES[name].convert("RGB")
    differs = (plain.size, plain.tobytes()) != (shown.size, shown.tobytes())
    assert differs == (name not in ("palette", "CMYK"))  # the control


def nudged(policy: Policy, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad:
                size = 0.02 * parameter.std() if parameter.numel() > 1 else 0.0
                parameter += size * torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("tower", [False, True])
def test_whole_weights_and_ids_that_are_never_sampled(
    tmp_path: Path, family: Family, tower: bool
) -> None:
    """A model that would love to end its text, were it let."""
    policy = load_policy("embedded", family, Full(tower), 1.0, torch.float32)
    nudged(policy)
    words = policy.base.get_input_embeddings().weight  # the head's, too
    first = turns_of_trainer(policy)[0][0][0]
    with torch.no_grad():
        words[family.pad_id] = 3 * words[first]
    model = {"lora": None, "train_vision_tower": tower}
    ckpt, _ = save_run(policy, tmp_path / "run", **model)
    out = export(ckpt, tmp_path / "out")
    expected = turns_of_trainer(policy)
    assert turns_of_export(out) == expected
    example = example_of(out)
    loaded, processor = example.load()
    if tower:
        found = loaded.state_dict()
        for name, value in policy.base.named_parameters():
            assert torch.equal(found[name], value), name
    loaded.generation_config.suppress_tokens = None
    sample = samples()[0]
    free = example.ask(loaded, processor, sample.images[0], sample.question)
    assert free[0][0] == family.pad_id != expected[0][0][0]


def decoded(policy: Policy) -> list[list[int]]:
    """Two greedy turns of one row from the trainer's decoder: the second look comes whatever the
    first turn said."""
    conversation = conversation_of(policy)
    opening = conversation.open(samples()[0])
    decoder = Decoder(policy, NEW_TOKENS, check_every=1)
    prompt = Given(opening.trajectory.prompt_ids, opening.trajectory.images)
    with torch.no_grad():
        decoder.start([prompt], [0], None)
        [(_, first)] = decoder.run()
        result = ToolResult(images=opening.high)
        given = conversation.response(opening, result).ids
        decoder.resume({0: Given(given, result.images)}, None)
        [(_, second)] = decoder.run()
    return [first.ids, second.ids]


def test_each_family(checkpoint: Path, tmp_path: Path) -> None:
    policy = adapted_policy(str(checkpoint), family_of(checkpoint)).eval()
    model: dict = {"lora": {"r": 4, "alpha": 32}}
    if own := own_class(checkpoint):
        model["family"] = f"{own.__module__}.{own.__name__}"
    ckpt, _ = save_run(policy, tmp_path / "run", str(checkpoint), **model)
    expected, sample = decoded(policy), samples()[0]
    for out in (export(ckpt, tmp_path / "a"), export(ckpt, tmp_path / "m", "--merge")):
        example = example_of(out)
        model, processor = example.load()
        example.calls = lambda *_: True
        example.respond = lambda said, looked, tools, show=example.ShownView: show(looked.full)
        assert example.ask(model, processor, sample.images[0], sample.question) == expected
        if (out / "config.json").exists():
            kind = json.loads((out / "config.json").read_text())["model_type"]
            assert kind == policy.family.model_type
            _, card = read_card(out)  # the made-up answer holds nothing that is never sampled
            assert re.search(r"by [\d.e-]+ nats at most and [\d.e-]+ in the mean", card)
    assert len(set(expected[0])) > 3  # it says more than one thing
