"""20,000 texts, made of tags, JSON, LaTeX and Unicode, through all that reads or writes what a
model has said."""

import json
from contextlib import suppress
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorboard.plugin_util import markdown_to_safe_html

from helpers import CALL, CALL_TEXT, make_group, make_trajectory, make_turn
from model_helpers import make_conversation
from visionthink_pl.callbacks.rollout_text import LINES, LONGEST, code, describe
from visionthink_pl.callbacks.trajectory_files import TrajectoryFiles, read_records
from visionthink_pl.callbacks.trajectory_record import record
from visionthink_pl.families import Family
from visionthink_pl.rewards import FormatReward
from visionthink_pl.rewards.accuracy import matches
from visionthink_pl.rewards.format import has_shape
from visionthink_pl.rewards.judge import Case
from visionthink_pl.rewards.judge.verdict import JudgePrompt, parse_verdict
from visionthink_pl.rewards.rules.anls import similarity
from visionthink_pl.rewards.rules.chartqa import relaxed_match
from visionthink_pl.rewards.rules.mathematics import PROCESS
from visionthink_pl.rewards.rules.text import plain
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.replies import InvalidCall, split_thought
from visionthink_pl.types import VQASample
from visionthink_pl.types.readable import readable
from visionthink_pl.visual_tools import ToolResult

pytestmark = pytest.mark.long

PIECES = [
    *("<think>", "</think>", "<answer>", "</answer>", "<tool_call>", "</tool_call>", CALL_TEXT),
    *("<|im_end|>", "<|im_start|>", "<|vision_start|>", "<|image_pad|>", "<tool_response>"),
    *(
        "\\boxed{",
        "\\frac{1}{2}",
        "\\text{",
        "$",
        "**",
        "`",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "\\",
        '"',
    ),
    *(
        "7",
        "1,000",
        "0.5",
        "/",
        "%",
        "5 m",
        " per ",
        "half",
        "B. ",
        "(b)",
        ", ",
        " and ",
        "2:30 pm",
    ),
    *("x^2", "=", "+", "-", " ", "\n", "\t", "Score: 1", "Answer: ", "# ", "---", "</pre>", "<b>"),
    *("\x00", "\x1b[31m", "\u202e", "\u0301", "\u200b", "\ufeff", "½", "ﷺ", "²", "中", "😀"),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)
PROMPT = JudgePrompt("default", 2000, "Judge")


MANY = settings(
    max_examples=5000,  # of each test
    derandomize=True,  # the same ones at each run
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def conversation(family: Family) -> Conversation:
    return make_conversation(family)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trajectories")


@pytest.fixture(autouse=True)
def _no_mathematics(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs in a process of its own, which has its own tests."""
    monkeypatch.setattr(PROCESS, "equal", lambda answer, truth: False)


@MANY
@given(TEXTS)
def test_parser_format_and_extraction(conversation: Conversation, text: str) -> None:
    thought, said = split_thought(text)
    assert thought + said == text
    call = None
    with suppress(InvalidCall):
        call = conversation.call(text, [CALL.name])
    assert call in (None, CALL)
    answer = conversation.answer(text)
    assert answer is None or (answer in said and answer == answer.strip())
    if has_shape(text, "answer"):
        assert answer is not None and "<tool_call>" not in said
    turn = make_turn(text, call)
    group = make_group([make_trajectory(answer, [turn])])
    assert FormatReward().score(group, {}) == [0.5 if has_shape(text, "answer") else 0.0]


@MANY
@given(TEXTS, TEXTS)
def test_rules_and_judge(answer: str, truth: str) -> None:
    assert matches(answer, truth) in (True, False)
    assert matches(answer, answer) is bool(plain(answer).strip() and answer.strip())
    assert 0 <= similarity(answer, truth) == similarity(truth, answer) <= 1
    assert relaxed_match(answer, answer)
    assert parse_verdict(answer) in (None, 0, 1)
    (message,) = PROMPT.messages(Case("Which?", truth, answer))
    (line,) = [line for line in message["content"].split("\n") if line.startswith("{")]
    assert json.loads(line)["candidate_answer"] == answer


@MANY
@given(TEXTS)
def test_conversation(conversation: Conversation, family: Family, text: str) -> None:
    """A text of the user's or of a tool's is words: it begins no turn and shows no image."""
    sample = VQASample("s", text, "7", make_group([]).sample.images, "k")
    opening = conversation.open(sample)
    prompt = opening.trajectory.prompt_ids
    response = conversation.response(opening, ToolResult(text)).ids
    assert prompt.count(family.end_of_turn_id) == 2 and response.count(family.end_of_turn_id) == 1
    assert prompt.count(family.image_token_id) == opening.trajectory.visual_tokens
    assert response.count(family.image_token_id) == 0


class Texts(HTMLParser):
    """The tags of a page, and the text in them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@MANY
@given(TEXTS)
def test_log(folder: Path, text: str) -> None:
    """Lines of JSON hold it as it is, and TensorBoard shows it as text."""
    group = make_group([make_trajectory(text, [make_turn(text)])], truth=text)
    group.sample, group.rewards = replace(group.sample, question=text), [None]
    files = TrajectoryFiles(folder, 10**9, 64)
    (folder / "train.jsonl").unlink(missing_ok=True)
    files.append("train", [record(group, 0, [], str)])
    (line,) = read_records(folder / "train.jsonl")
    assert line["question"] == line["answer"] == line["turns"][0]["text"] == text
    describe(group, {}).encode()
    shown = Texts(markdown_to_safe_html(code(text)))
    assert set(shown.tags) <= {"pre"}
    assert unescape(shown.text).split() == readable(text[:LONGEST], LINES).split()
