"""One question about one image, in the three lines of the README."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import ExifTags, Image

from families_helpers import make_checkpoint
from model_helpers import embedded_policy, generated_ids, make_conversation
from pixtral_llava import PixtralLlava
from visionthink_pl.data import LookCloser
from visionthink_pl.families import Family
from visionthink_pl.images import FullView, ImageDecodeError
from visionthink_pl.policy import Policy, PolicyOptions
from visionthink_pl.rollout import ConversationOptions, RolloutEngine, Sampling, roll_out
from visionthink_pl.types import ConfigError, Group, VQASample

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SAMPLE = LookCloser(40)[6]


@pytest.fixture(scope="module")
def base() -> Policy:
    return PolicyOptions("embedded").load()


def ids(group: Group) -> list[list[int]]:
    return [trajectory.ids for trajectory in group.trajectories]


def by_engine(policy: Policy, group_size: int, greedy: bool) -> Group:
    """The same question by the engine, as a trainer asks it."""
    sample = VQASample("asked", SAMPLE.question, "", SAMPLE.images, "asked")
    sampling = Sampling(max_turns=2, max_new_tokens=512, rows=64, seed=0)
    engine = RolloutEngine(policy, make_conversation(policy.family), sampling)
    (group,) = engine.rollout([sample], group_size, draw=0, greedy=greedy)
    return group


def test_the_readme_does_it_in_three_lines(
    base: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    lines = [line for line in code.splitlines() if line]
    assert len([line for line in lines if not line.startswith("from ")]) == 3
    monkeypatch.chdir(tmp_path)
    SAMPLE.images[0].save("photo.png")
    names: dict[str, Any] = {}
    exec(code, names)
    assert len(names["group"].trajectories) == 4
    asked = roll_out(base, "photo.png", names["group"].sample.question, group_size=4)
    assert ids(names["group"]) == ids(asked)


def test_it_is_what_the_engine_samples(base: Policy) -> None:
    group = roll_out(base, SAMPLE.images[0], SAMPLE.question, group_size=8)
    assert ids(group) == ids(by_engine(base, 8, greedy=False))
    assert len(set(map(str, ids(group)))) > 1
    assert any(t.high for t in group.trajectories) and any(t.answer for t in group.trajectories)
    other = roll_out(base, SAMPLE.images[0], SAMPLE.question, group_size=8, seed=1)
    assert ids(other) != ids(group)


def test_without_a_group_it_is_one_greedy_answer(base: Policy) -> None:
    group = roll_out(base, SAMPLE.images[0], SAMPLE.question)
    assert ids(group) == ids(by_engine(base, 1, greedy=True))
    (trajectory,) = group.trajectories
    expected = generated_ids(base, trajectory_before(trajectory), 512)
    assert trajectory.turns[0].generated_ids == expected


def trajectory_before(trajectory: Any) -> Any:
    """As it was before the first turn: the prompt and the first look."""
    return type(trajectory)(trajectory.prompt_ids, trajectory.first_look, 0)


def turned() -> bytes:
    """A file whose header says that it lies on its side."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    file = io.BytesIO()
    SAMPLE.images[0].resize((112, 56)).save(file, "PNG", exif=exif)
    return file.getvalue()


def test_images_are_read_as_a_data_source_reads_them(base: Policy, tmp_path: Path) -> None:
    file = tmp_path / "photo.png"
    file.write_bytes(turned())
    found = [
        roll_out(base, image, SAMPLE.question)
        for image in (str(file), file, turned(), Image.open(file))
    ]
    assert {group.sample.images[0].size for group in found} == {(56, 112)}
    assert len({str(ids(group)) for group in found}) == 1
    with pytest.raises(ImageDecodeError, match="missing"):
        roll_out(base, tmp_path / "nowhere.png", SAMPLE.question)


def test_an_adapter_of_a_run_answers(base: Policy, family: Family, tmp_path: Path) -> None:
    trained = embedded_policy(family)
    trained.model.save_pretrained(str(tmp_path))
    loaded = PolicyOptions("embedded", adapter=str(tmp_path)).load()
    groups = [
        roll_out(policy, SAMPLE.images[0], SAMPLE.question) for policy in (loaded, trained, base)
    ]
    assert ids(groups[0]) == ids(groups[1]) != ids(groups[2])


def test_options_are_those_of_training(base: Policy) -> None:
    options = ConversationOptions(tools=[], first_view=FullView(), max_turns=1, max_new_tokens=3)
    group = roll_out(base, SAMPLE.images[0], SAMPLE.question, group_size=2, options=options)
    assert [t.images[0].size for t in group.trajectories] == [(112, 112)] * 2
    assert [len(t.turns[0].generated_ids) for t in group.trajectories] == [3, 3]


def test_in_bf16_it_computes_as_training_does(base: Policy) -> None:
    """Mixed precision: the base in bf16, an adapter in fp32."""
    policy = PolicyOptions("embedded", precision="bf16").load()
    assert policy.base.dtype == torch.bfloat16
    with policy.autocast():
        assert torch.is_autocast_enabled("cpu")
    with base.autocast():
        assert not torch.is_autocast_enabled("cpu")
    with torch.autocast("cpu", torch.bfloat16):
        expected = by_engine(policy, 4, greedy=False)
    group = roll_out(policy, SAMPLE.images[0], SAMPLE.question, group_size=4)
    assert ids(group) == ids(expected)
    logprobs = [t.logprobs for t in group.trajectories]
    assert logprobs == [t.logprobs for t in expected.trajectories]


def test_a_family_of_one_s_own(tmp_path: Path) -> None:
    folder = make_checkpoint("pixtral_llava", tmp_path)
    policy = PolicyOptions(str(folder), family=PixtralLlava).load()
    options = ConversationOptions(max_new_tokens=4)
    group = roll_out(policy, SAMPLE.images[0], SAMPLE.question, 3, options)
    assert [len(t.turns[0].generated_ids) for t in group.trajectories] == [4, 4, 4]


def test_nothing_is_kept_of_an_image(base: Policy) -> None:
    roll_out(base, SAMPLE.images[0], SAMPLE.question)
    assert not base.features._kept and not base.features._keys


@pytest.mark.parametrize("group_size", [0, -1])
def test_a_group_of_none(base: Policy, group_size: int) -> None:
    with pytest.raises(ConfigError, match=f"group_size: at least 1, .*not {group_size}"):
        roll_out(base, SAMPLE.images[0], SAMPLE.question, group_size)
