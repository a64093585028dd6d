"""The example's tools are the package's, and so are the ids that it feeds the model."""

import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoProcessor

from export_helpers import example_of
from visionthink_pl.commands.export.layout import conversation, write_conversation, write_processor
from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.families import Family
from visionthink_pl.images import FullView, HalfView, PixelLimits
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.replies import InvalidCall, parse_call
from visionthink_pl.types import Box, ToolCall, Turn, View, VQASample
from visionthink_pl.visual_tools import (
    ResizeImage,
    ToolError,
    ToolResult,
    ViewState,
    Zoom,
    ZoomPart,
)

LIMITS = PixelLimits(max_pixels=112 * 112)
TURNS = 5
IMAGE = Image.effect_noise((300, 200), 90).convert("RGB")


def run_of(family: Family, view: Any = None, enlarge: float = 2.0) -> Run:
    tools = [Zoom(enlarge=enlarge), ZoomPart(), ResizeImage()]
    options = ConversationOptions(
        tools=tools if view is None else tools[:2],
        first_view=view,
        max_turns=TURNS,
        limits=LIMITS,
        max_new_tokens=60,
    )
    return Run(None, {}, "embedded", family, options)


def written(run: Run, folder: Path) -> ModuleType:
    folder.mkdir(exist_ok=True)
    write_conversation(run, conversation(run, merged=True), folder)
    return example_of(folder)


@pytest.fixture(scope="module")
def example(family: Family, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return written(run_of(family), tmp_path_factory.mktemp("exported"))


NUMBERS = st.one_of(
    st.floats(-50, 350),
    st.integers(-50, 350),
    st.sampled_from([math.inf, -math.inf, math.nan, 1e300]),
)
BOXES = st.lists(NUMBERS, min_size=4, max_size=4)
ORDERED = st.tuples(*[st.integers(0, 110)] * 4).map(
    lambda n: [min(n[0], n[1]), min(n[2], n[3]), max(n[0], n[1]) + 1, max(n[2], n[3]) + 1]
)
ARGUMENTS = st.one_of(
    st.fixed_dictionaries({"box": BOXES | ORDERED}, optional={"view": st.integers(-1, 4)}),
    st.fixed_dictionaries({"part": st.sampled_from(["top left", "bottom right", "middle", 3])}),
    st.just({"action": "resize"}),
    st.sampled_from([None, [], {}, {"box": [1, 2, 3]}, {"box": [1, 2, "3", True]}, {"view": 1}]),
)


def ours(family: Family, name: str, arguments: Any, views: list[View]) -> tuple[Any, str | None]:
    """What the package shows, and where it comes from; or why it refuses."""
    options = run_of(family).options
    sample = VQASample("s", "?", "7", (IMAGE,), "k")
    state = ViewState(sample, [View(LIMITS.apply(IMAGE), source=0)], views, LIMITS, family.box_unit)
    text = json.dumps({"name": name, "arguments": arguments}).join(family.call_tags)
    try:
        call = parse_call(text, options.offered, family.call_tags)
        tool = next(tool for tool in options.offered if tool.name == name)
        (view,) = tool.run(state, call.arguments).shown
    except (InvalidCall, ToolError) as error:
        return None, str(error)
    return (view.image.tobytes(), view.image.size, view.box), None


def theirs(example: ModuleType, name: str, arguments: Any, views: list[View]) -> Any:
    looked = example.Looked(
        IMAGE, LIMITS.apply(IMAGE), [example.ShownView(v.image, v.box, v.seen) for v in views]
    )
    said = json.dumps({"name": name, "arguments": arguments}).join(example.SETTINGS["call"])
    try:
        view = example.respond(said, looked, example.SETTINGS["tools"])
    except example.Refused as refused:
        return None, str(refused)
    return (view.image.tobytes(), view.image.size, view.box), None


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(["zoom", "zoom_part", "resize_image", "other"]), ARGUMENTS, st.booleans())
def test_every_call_has_the_package_s_result_or_refusal(
    family: Family, example: ModuleType, name: str, arguments: Any, zoomed: bool
) -> None:
    half = View(IMAGE.resize((65, 43)), source=0, seen=(56, 56))
    part = View(
        IMAGE.crop((100, 50, 200, 150)), source=0, box=Box(100, 50, 200, 150), seen=(112, 112)
    )
    views = [half, part] if zoomed else [half]
    text = json.dumps(arguments)
    if "NaN" in text or "Infinity" in text:
        return  # no JSON: below
    assert theirs(example, name, arguments, views) == ours(family, name, arguments, views)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_what_is_no_number_of_json_is_refused(example: ModuleType, number: str) -> None:
    looked = example.Looked(IMAGE, IMAGE, [example.ShownView(IMAGE, None, (9, 9))])
    call = f'{{"name":"zoom","arguments":{{"box":[0,0,{number},9]}}}}'
    with pytest.raises(example.Refused, match="The call is not valid JSON"):
        example.respond(call.join(example.SETTINGS["call"]), looked, example.SETTINGS["tools"])


class Scripted:
    """Says what it is told to, and notes what it was fed."""

    def __init__(self, family: Family, texts: list[str]) -> None:
        self.turns = [
            [*family.encode(text, []), family.end_of_turn_id] if text else [] for text in texts
        ]
        self.fed: list[list[int]] = []
        self.images: list[int] = []

    def __call__(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        self.fed.append(inputs["input_ids"][0].tolist())
        self.images.append(len(inputs["image_grid_thw"]))
        return torch.tensor([self.fed[-1] + self.turns[len(self.fed) - 1]])


def call(name: str, **arguments: Any) -> str:
    block = json.dumps({"name": name, "arguments": arguments})
    return f"<think>Closer.</think>\n<tool_call>\n{block}\n</tool_call>"


SCRIPT = [
    call("zoom", box=[10, 10, 40, 30]),
    call("zoom", box=[40, 10, 10, 30]),  # reversed
    call("zoom_part", part="top left"),
    call("zoom", box=[0, 0, 40, 40], view=2),
    "<think>It is.</think>\n<answer>7</answer>",
]


@pytest.mark.parametrize("view", [None, FullView()], ids=["half", "full"])
def test_each_turn_is_fed_the_ids_of_training(
    family: Family, tmp_path: Path, view: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(family, view)
    example = written(run, tmp_path / "out")
    write_processor(run, tmp_path / "out")
    processor = AutoProcessor.from_pretrained(tmp_path / "out")
    scripted = Scripted(family, SCRIPT)
    monkeypatch.setattr(example, "generate", scripted)
    monkeypatch.setattr(example, "calls", lambda model, processor, turn: turn != scripted.turns[-1])
    example.ask(None, processor, IMAGE, "Which?")

    talk = run.conversation
    opening = talk.open(VQASample("s", "Which?", "7", (IMAGE,), "k"))
    row, expected = opening.trajectory, [list(opening.trajectory.prompt_ids)]
    for text, ids in zip(SCRIPT[:-1], scripted.turns, strict=False):
        turn = Turn(ids, [0.0] * len(ids), text)
        row.turns.append(turn)
        asked = talk.call(text, row.tools_offered)
        assert isinstance(asked, ToolCall)
        try:
            response = talk.respond(asked, opening, row)
        except InvalidCall as error:
            response = talk.response(opening, ToolResult(text=str(error)))
        turn.given_ids, turn.shown, turn.visual_tokens = response
        expected.append(list(row.ids))
    assert scripted.fed == expected
    assert scripted.images == [1, 2, 2, 3, 4]
    assert isinstance(run.options.view, FullView if view else HalfView)
