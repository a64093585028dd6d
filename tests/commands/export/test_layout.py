"""Processor, generation config and conversation beside the weights."""

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoProcessor, GenerationConfig
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from export_helpers import LIMITS, NEW_TOKENS, conversation_of, export, samples, save_run
from families_helpers import SIDE
from model_helpers import embedded_policy
from visionthink_pl.commands.export.layout import conversation, has_example
from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.families import EMBEDDED, Family, load_family
from visionthink_pl.images import FullView, HalfView, ScaledView
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.visual_tools import ResizeImage, Zoom, ZoomPart

NO_LIMIT = 10**9


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, family: Family) -> Path:
    folder = tmp_path_factory.mktemp("layout")
    ckpt, _ = save_run(embedded_policy(family), folder / "run", lora={"r": 4, "alpha": 32})
    return export(ckpt, folder / "out")


def sizes(most: int) -> list[tuple[int, int]]:
    """Many shapes, up to fifty times as long as wide, as large as they may be."""
    heights = range(4, int(most**0.5) + 1)
    found = [(most // height, height) for height in heights if most // height <= 50 * height]
    return found + [(width - 20, height) for width, height in found if width > 40]


def resized(width: int, height: int, factor: int, most: int) -> tuple[int, int]:
    return smart_resize(height, width, factor=factor, min_pixels=factor**2, max_pixels=most)


@pytest.mark.parametrize("most", [112 * 112, 224 * 224, 1280 * 28 * 28])
def test_what_is_within_the_run_s_limit_is_read_as_in_training(
    qwen_checkpoint: Path, most: int
) -> None:
    family = load_family(qwen_checkpoint)
    family.limit(most)
    size = family.processor.image_processor.size
    side = SIDE[family.model_type]
    assert size["shortest_edge"] == side**2
    allowed, bare = size["longest_edge"], most
    differ = 0
    for width, height in sizes(most):
        trained = resized(width, height, side, NO_LIMIT)
        assert resized(width, height, side, allowed) == trained
        differ += resized(width, height, side, bare) != trained
    assert differ, "the limit itself would have done"


def test_what_is_larger_is_shrunk_and_a_small_first_look_is_not_enlarged(out: Path) -> None:
    processor = AutoProcessor.from_pretrained(out)
    size = processor.image_processor.size
    assert LIMITS.max_pixels < size["longest_edge"] < 2 * LIMITS.max_pixels
    image = samples()[0].images[0]
    for side, patches in ((28, 4), (56, 16), (2000, None)):
        read = processor.image_processor([image.resize((side, side))], return_tensors="pt")
        found = int(read["image_grid_thw"].prod())
        assert found == patches or (patches is None and found * 14**2 <= size["longest_edge"])


def test_the_template_is_the_base_s(out: Path) -> None:
    found, base = (AutoProcessor.from_pretrained(folder) for folder in (out, EMBEDDED))
    assert found.chat_template == base.chat_template
    assert found.tokenizer.get_vocab() == base.tokenizer.get_vocab()


def test_generation_is_greedy(out: Path, family: Family) -> None:
    config = GenerationConfig.from_pretrained(out)
    assert config.do_sample is False and config.repetition_penalty in (None, 1.0)
    assert config.max_new_tokens == NEW_TOKENS
    assert config.eos_token_id == family.end_of_turn_id
    assert {family.pad_id, family.image_token_id} <= set(config.suppress_tokens)
    assert family.end_of_turn_id not in config.suppress_tokens


def test_ids_that_the_tokenizer_lacks_fit_into_a_file(tmp_path: Path, family: Family) -> None:
    """Published heads have hundreds of them; here nearly all of 152,064 are."""
    ids = family.never_sampled(152_064).nonzero()[:, 0].tolist()
    assert len(ids) > 151_000
    GenerationConfig(do_sample=False, suppress_tokens=ids).save_pretrained(tmp_path)
    assert GenerationConfig.from_pretrained(tmp_path).suppress_tokens == ids


def test_the_conversation_is_the_run_s(out: Path, family: Family) -> None:
    texts = json.loads((out / "conversation.json").read_text())
    opening = conversation_of(embedded_policy(family)).open(samples()[0])
    assert texts["prompt"] == opening.messages[0]["content"]
    assert '"name":"resize_image"' in texts["prompt"]
    assert texts["tool_response"].startswith(
        "\n<|im_start|>user\n<tool_response>\n<|vision_start|>"
    )
    assert texts["base"] == str(EMBEDDED) and texts["dtype"] == "float32"


class Other(ResizeImage):
    """A tool that the example can't run."""

    name = "zoom"


CASES: list[tuple[dict[str, Any], bool]] = [
    ({"tools": [ResizeImage()], "first_view": HalfView()}, True),
    ({}, True),
    ({"tools": [], "first_view": FullView()}, True),
    ({"tools": [Zoom(), ZoomPart(), ResizeImage()], "max_turns": 5}, True),
    ({"tools": [Zoom()], "first_view": FullView()}, True),
    ({"tools": [], "first_view": HalfView()}, False),
    ({"tools": [Other()]}, False),
    ({"tools": [ResizeImage(), Other()]}, False),
    ({"first_view": ScaledView(0.5)}, False),
    ({"max_visual_tokens": 99}, False),
    ({"question_template": "Q: {question}"}, False),
    ({"response_template": "R: {result}"}, False),
    ({"signatures": {"resize_image": "resize"}}, False),
]


@pytest.mark.parametrize(("settings", "expected"), CASES)
def test_what_has_an_example(family: Family, settings: dict[str, Any], expected: bool) -> None:
    run = Run(None, {}, "embedded", family, ConversationOptions(**settings))
    assert has_example(run) == expected
    texts = conversation(run, merged=True)
    shown = expected and settings.get("tools") != []
    assert (texts["tool_response"] is None) == (texts["refusal"] is None) == (not shown)
    assert texts["base"] is None


def test_the_example_says_how_it_is_used_before_it_loads_anything(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither weights nor processor are there."""
    for name in ("example.py", "conversation.json"):
        shutil.copy(out / name, tmp_path)
    monkeypatch.setattr("sys.argv", ["example.py"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(tmp_path / "example.py"), run_name="__main__")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "usage: example.py" in said and "image question" in said
