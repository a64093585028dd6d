"""What the page on tools says is so."""

import csv
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from helpers import answer_turn, make_sample, make_turn
from trainer_helpers import SMALL_RUN
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.data import LookCloser
from visionthink_pl.families import Family
from visionthink_pl.images import PixelLimits
from visionthink_pl.policy import Policy
from visionthink_pl.rewards.format import well_formed
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.rollout.conversation import Conversation, signature
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.replies import InvalidCall, parse_call
from visionthink_pl.types import Box, Group, StopReason, ToolCall, Trajectory, View
from visionthink_pl.visual_tools import (
    ToolError,
    ToolResult,
    ViewState,
    VisualTool,
    check_tool,
)

PAGE = (Path(__file__).parents[2] / "docs" / "tools.md").read_text(encoding="utf-8")


def block(language: str, number: int = 0) -> str:
    """The page's block of a language; of some there are several."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == {"python": 3, "text": 3, "yaml": 3}.get(language, 1)
    return found[number]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VisualTool:
    """The page's, from a file outside the package, by the path in the page's config."""
    module, name = yaml.safe_load(block("yaml"))["rollout"]["tools"][0]["class_path"].split(".")
    (tmp_path / f"{module}.py").write_text(block("python"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, module, raising=False)  # that of the test before
    return vars(__import__(module))[name]()


@pytest.fixture
def call(tool: VisualTool, family: Family) -> ToolCall:
    """The page's, as it is read in a turn."""
    return parse_call(f"<think>t</think>\n{block('text', 1)}", [tool], family.call_tags)


def coloured(width: int, height: int) -> Image.Image:
    """No two pixels are alike."""
    image = Image.new("RGB", (width, height))
    image.putdata([(i % 256, i // 256, 7) for i in range(width * height)])
    return image


@pytest.mark.parametrize(
    ("quadrant", "box"),
    [
        ("top left", (0, 0, 4, 3)),  # of 7 x 6: the middle column is in both halves
        ("top right", (3, 0, 7, 3)),
        ("bottom left", (0, 3, 4, 6)),
        ("bottom right", (3, 3, 7, 6)),
    ],
)
def test_the_quadrant_that_was_asked_for(
    tool: VisualTool, quadrant: str, box: tuple[int, int, int, int]
) -> None:
    full, views = coloured(7, 6), [View(coloured(7, 6)), View(coloured(1, 1))]
    state = ViewState(make_sample(), views, [])
    first, second = tool.run(state, {"quadrant": quadrant}).images
    assert first == full.crop(box)
    assert second == coloured(1, 1)  # of a single pixel there is still something to show
    assert state.high[0] == full


def test_the_prompt_tells_what_the_page_shows(tool: VisualTool, family: Family) -> None:
    line = block("json").strip()
    assert signature(tool, None) == line
    start = talk(family, tool).open(LookCloser(1)[0]).trajectory
    told = family.decode(start.prompt_ids)
    assert f"<tools>\n{line}\n</tools>" in told and start.tools_offered == (tool.name,)


def test_the_call_of_the_page_is_the_one_that_its_schema_takes(
    tool: VisualTool, call: ToolCall, family: Family
) -> None:
    assert call == ToolCall("show_quadrant", {"quadrant": "top left"})
    with pytest.raises(InvalidCall, match="do not match"):
        parse_call(block("text", 1).replace("top left", "middle"), [tool], family.call_tags)


class Calling(Conversation):
    """The first two turns call, whatever they say; the third is read as it is."""

    calls: list[ToolCall]

    def call(self, text: str, offered: object) -> ToolCall | None:
        return self.calls.pop(0) if self.calls else None


def talk(family: Family, tool: VisualTool) -> Calling:
    return Calling(family, ConversationOptions(tools=[tool]))


def rolled(policy: Policy, tool: VisualTool, calls: list[ToolCall]) -> Group:
    conversation = talk(policy.family, tool)
    conversation.calls = list(calls)
    sampling = Sampling(yaml.safe_load(block("yaml"))["rollout"]["max_turns"], 40, 8, seed=0)
    (group,) = RolloutEngine(policy, conversation, sampling).rollout(
        [LookCloser(1)[0]], 1, draw=0, greedy=True
    )
    return group


def test_two_quadrants_are_shown_and_counted(
    policy: Policy, tool: VisualTool, call: ToolCall
) -> None:
    group = rolled(policy, tool, [call, ToolCall(tool.name, {"quadrant": "bottom right"})])
    (trajectory,) = group.trajectories
    full, (small, *shown) = group.sample.images[0], trajectory.images
    assert full.size == (112, 112) and small.size == (56, 56)
    assert shown == [full.crop((0, 0, 56, 56)), full.crop((56, 56, 112, 112))]
    assert trajectory.visual_tokens == 4 + 4 + 4 and group.full_look_tokens == 16
    assert trajectory.high and not trajectory.direct and not trajectory.invalid_call
    given = policy.family.decode(trajectory.turns[0].given_ids)
    image = "<|vision_start|>" + 4 * "<|image_pad|>" + "<|vision_end|>"
    assert f"<tool_response>\n{image}\n</tool_response>" in given
    assert len(trajectory.turns) == 3


def test_a_call_that_shows_nothing_is_free(
    policy: Policy, tool: VisualTool, call: ToolCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(tool), "run", lambda *_: ToolResult("There is nothing to see."))
    (trajectory,) = rolled(policy, tool, [call]).trajectories
    trajectory.stop = StopReason.ANSWERED  # whatever the model made of it
    assert trajectory.direct and trajectory.visual_tokens == 4


def test_the_view_of_the_page(policy: Policy, tool: VisualTool, call: ToolCall) -> None:
    """Its caption stands before its image, and the next call is told of it."""
    image = LookCloser(1)[0].images[0]
    view = eval(block("text"), {"View": View, "Box": Box, "image": image})  # noqa: S307
    told: list[ViewState] = []

    class Corner(VisualTool):
        name, description, parameters = tool.name, tool.description, tool.parameters

        def run(self, state: ViewState, arguments: object) -> ToolResult:
            told.append(state)
            return ToolResult(views=[view], ending="Look well.")

    (trajectory,) = rolled(policy, Corner(), [call, call]).trajectories
    given = policy.family.decode(trajectory.turns[0].given_ids)
    start, end = "<tool_response>\n", "\n</tool_response>"
    shown = "<|vision_start|>" + 2 * "<|image_pad|>" + "<|vision_end|>"
    assert f"{start}The top left corner:{shown}Look well.{end}" in given
    first, second = told
    assert first.views == trajectory.first_look
    assert second.views == [*first.views, replace(view, seen=(56, 28))]
    assert trajectory.looks == 2 and not second.high_shown


@pytest.mark.integration
@pytest.mark.parametrize("number", [1, 2])
def test_the_zooms_of_the_page_run(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind half of the image, and behind all of it."""
    lines = block("yaml", number).split("rollout:\n")[1]
    (tmp_path / "small.yaml").write_text(SMALL_RUN + lines)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    assert main(["fit", "--config", "small.yaml"]) == 0
    (saved,) = tmp_path.rglob("config.yaml")
    rollout = yaml.safe_load(saved.read_text())["rollout"]
    (tool,) = rollout["tools"]
    assert tool["class_path"].endswith(".Zoom") and tool["init_args"]["unit"] is None
    assert (rollout["prompt"] == "zoom_in") == (number == 2)


def test_the_state_of_the_page(tool: VisualTool) -> None:
    names: dict[str, Any] = {}
    exec(block("python", 1), names)  # noqa: S102
    (image,) = tool.run(names["state"], {"quadrant": "top left"}).images
    assert image.size == (56, 56) and not names["state"].high_shown


@pytest.fixture
def by_column() -> VisualTool:
    """The page's tool that reads another column."""
    names: dict[str, Any] = {}
    exec(block("python", 2), names)  # noqa: S102
    return names["ShowRegion"]()


def test_the_region_that_the_row_names_is_shown(policy: Policy, by_column: VisualTool) -> None:
    """In pixels of the original, which the limits shrink to half."""
    sample = replace(LookCloser(1)[0], extra={"region": [8, 8, 40, 36]})
    options = ConversationOptions(tools=[by_column], limits=PixelLimits(max_pixels=56 * 56))
    conversation = Calling(policy.family, options)
    conversation.calls = [ToolCall(by_column.name, {})]
    (group,) = RolloutEngine(policy, conversation, Sampling(2, 40, 8, seed=0)).rollout(
        [sample], 1, draw=0, greedy=True
    )
    (trajectory,) = group.trajectories
    full = conversation.views(sample).full[0].image
    assert full.size == (56, 56) and sample.images[0].size == (112, 112)
    assert trajectory.images[1:] == [full.crop((4, 4, 20, 18))] and trajectory.high


def test_a_row_without_a_region_refuses_the_call(by_column: VisualTool) -> None:
    check_tool(by_column)
    with pytest.raises(ToolError, match="No region of this image is marked"):
        by_column.run(ViewState(make_sample(), [View(coloured(7, 6))], []), {})


def test_a_call_of_any_tool_is_well_formed(call: ToolCall) -> None:
    turns = [
        make_turn(f"<think>t</think>\n{block('text', 1)}", call=call),
        make_turn(answer_turn("7")),
    ]
    trajectory = Trajectory([], [], 0, (call.name,), turns, StopReason.ANSWERED, "7")
    assert well_formed(trajectory)


@pytest.mark.integration
def test_the_config_of_the_page_runs(
    tool: VisualTool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = block("yaml").split("rollout:\n")[1]
    (tmp_path / "small.yaml").write_text(SMALL_RUN + lines)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    assert main(["fit", "--config", "small.yaml"]) == 0
    (file,) = tmp_path.rglob("metrics.csv")
    with file.open() as rows:
        (row,) = (r for r in csv.DictReader(rows) if r.get("train/reward"))
    assert float(row["train/resize_rate"]) == 0  # the embedded model knows no call of this tool
