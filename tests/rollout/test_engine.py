"""Turns, tool calls and stop reasons, with turns that a script writes; then with the model's."""

from collections.abc import Sequence

import pytest
from torch import Tensor

from helpers import CALL_TEXT, CALL_TURN, answer_turn
from model_helpers import make_conversation, sample_of_size, three_samples
from visionthink_pl.families import Family
from visionthink_pl.images import PixelLimits
from visionthink_pl.policy import Policy
from visionthink_pl.rollout import RolloutEngine, Sampling, engine
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.decoder import Given
from visionthink_pl.rollout.rows import Generated
from visionthink_pl.types import StopReason, Trajectory, VQASample

UNFINISHED = "no end in sight"
BAD_CALL = '<think>Look.</think>\n<tool_call>\n{"name": "zoom", "arguments": {}}\n</tool_call>'
ANSWER = answer_turn("red")
NAMES_A_CALL = f"<think>No <tool_call>{CALL_TEXT}</tool_call></think><answer>red</answer>"


def scripted(
    monkeypatch: pytest.MonkeyPatch, policy: Policy, family: Family, turns: Sequence[str]
) -> None:
    """Let every trajectory say ``turns``, one after another."""

    class Script:
        """A decoder whose rows end each turn at once."""

        def __init__(self, *args: object) -> None:
            self.turn: dict[int, int] = {}
            self.talking: list[int] = []

        @property
        def decoding(self) -> int:
            return len(self.talking)

        def start(self, prompts: object, prompt_of_row: Sequence[int], uniform: object) -> None:
            self.talking = list(range(len(prompt_of_row)))

        def run(self) -> list[tuple[int, Generated]]:
            said = [(row, self.say(turns[self.turn.get(row, 0)])) for row in self.talking]
            for row in self.talking:
                self.turn[row] = self.turn.get(row, 0) + 1
            self.talking = []
            return said

        def say(self, text: str) -> Generated:
            finished = text != UNFINISHED
            ids = family.tokenizer.encode(text) + [family.end_of_turn_id] * finished
            return Generated(ids, [-0.5] * len(ids), finished)

        def resume(self, given: dict[int, Given], uniform: object) -> None:
            self.talking = list(given)

        def stop(self, row: int) -> None:
            assert row not in self.talking

    monkeypatch.setattr(engine, "Decoder", Script)


def roll_out(policy: Policy, family: Family, size=(112, 112), max_turns: int = 2) -> Trajectory:
    sampling = Sampling(max_turns=max_turns, max_new_tokens=40, rows=8, seed=0)
    rollouts = RolloutEngine(policy, make_conversation(family), sampling)
    return rollouts.rollout([sample_of_size(*size)], 1, draw=0)[0].trajectories[0]


@pytest.mark.parametrize(
    ("turns", "stop", "high", "direct", "invalid", "tokens", "why"),
    [
        ([ANSWER], StopReason.ANSWERED, False, True, False, 4, "answered from the first look"),
        ([CALL_TURN, ANSWER], StopReason.ANSWERED, True, False, False, 20, "asked, then answered"),
        ([BAD_CALL, ANSWER], StopReason.ANSWERED, False, True, True, 4, "a bad call shows nothing"),
        ([CALL_TURN, CALL_TURN], StopReason.OUT_OF_TURNS, True, False, False, 20, "asked again"),
        ([BAD_CALL, CALL_TURN], StopReason.OUT_OF_TURNS, False, False, True, 4, "called too late"),
        ([CALL_TURN, UNFINISHED], StopReason.OUT_OF_TOKENS, True, False, False, 20, "rambled"),
        ([UNFINISHED], StopReason.OUT_OF_TOKENS, False, False, False, 4, "rambled at once"),
        (
            [NAMES_A_CALL],
            StopReason.ANSWERED,
            False,
            True,
            False,
            4,
            "a call in its thought is none",
        ),
        ([CALL_TURN, NAMES_A_CALL], StopReason.ANSWERED, True, False, False, 20, "nor later on"),
        (["<think>?</think>"], StopReason.NO_ANSWER, False, False, False, 4, "said nothing"),
    ],
)
def test_how_trajectories_end(
    monkeypatch: pytest.MonkeyPatch,
    policy: Policy,
    family: Family,
    turns: list[str],
    stop: StopReason,
    high: bool,
    direct: bool,
    invalid: bool,
    tokens: int,
    why: str,
) -> None:
    scripted(monkeypatch, policy, family, turns)
    trajectory = roll_out(policy, family)
    assert trajectory.stop is stop, why
    assert (trajectory.high, trajectory.direct, trajectory.invalid_call) == (high, direct, invalid)
    assert trajectory.visual_tokens == tokens
    assert trajectory.truncated is (stop is not StopReason.ANSWERED)
    assert trajectory.answer == ("red" if stop is StopReason.ANSWERED else None)


def test_each_trajectory_is_handed_on_as_soon_as_it_ends(
    monkeypatch: pytest.MonkeyPatch, policy: Policy, family: Family
) -> None:
    """While others are still generated: that is when judging begins."""
    ended: list[tuple[str, int, int]] = []
    steps = 0
    distribution = policy.distribution

    def counted(hidden: Tensor) -> Tensor:
        nonlocal steps
        steps += 1
        return distribution(hidden)

    def note(sample: VQASample, trajectory: Trajectory) -> None:
        assert trajectory.stop is not None
        ended.append((sample.id, id(trajectory), steps))

    monkeypatch.setattr(policy, "distribution", counted)
    sampling = Sampling(max_turns=2, max_new_tokens=24, rows=99, seed=0)
    rollouts = RolloutEngine(policy, make_conversation(family), sampling)
    groups = rollouts.rollout(three_samples(), 4, draw=0, ended=note)
    expected = [(group.sample.id, id(t)) for group in groups for t in group.trajectories]
    assert sorted((name, number) for name, number, _ in ended) == sorted(expected)  # each once
    at = [step for _, _, step in ended]
    assert at[0] < at[-1] == steps


def test_the_ids_are_what_was_sampled_and_given_in_order(
    monkeypatch: pytest.MonkeyPatch, policy: Policy, family: Family
) -> None:
    scripted(monkeypatch, policy, family, [CALL_TURN, ANSWER])
    trajectory = roll_out(policy, family)
    text = family.tokenizer.decode(trajectory.ids)
    image = "<|vision_start|>" + "<|image_pad|>" * 16 + "<|vision_end|>"
    response = f"<|im_start|>user\n<tool_response>\n{image}\n</tool_response><|im_end|>\n"
    tail = f"{CALL_TURN}<|im_end|>\n{response}<|im_start|>assistant\n{ANSWER}<|im_end|>"
    assert text.endswith(tail)
    generated = [i for i, m in zip(trajectory.ids, trajectory.generated_mask, strict=True) if m]
    end = [family.end_of_turn_id]
    encode = family.tokenizer.encode
    assert generated == encode(CALL_TURN) + end + encode(ANSWER) + end
    assert [image.size for image in trajectory.images] == [(56, 56), (112, 112)]


def test_the_model_is_told_what_was_wrong_and_may_continue(
    monkeypatch: pytest.MonkeyPatch, policy: Policy, family: Family
) -> None:
    scripted(monkeypatch, policy, family, [BAD_CALL, CALL_TURN, CALL_TURN, ANSWER])
    trajectory = roll_out(policy, family, max_turns=4)
    told = [family.tokenizer.decode(turn.given_ids) for turn in trajectory.turns]
    assert "There is no such tool. Tools: resize_image." in told[0]
    assert told[1].count("<|image_pad|>") == 16
    assert "already been shown" in told[2]
    assert told[3] == ""
    assert trajectory.stop is StopReason.ANSWERED
    assert [turn.call_error is None for turn in trajectory.turns] == [False, True, False, True]


def test_where_a_second_look_shows_nothing_more_none_is_offered(
    monkeypatch: pytest.MonkeyPatch, policy: Policy, family: Family
) -> None:
    scripted(monkeypatch, policy, family, [CALL_TURN, ANSWER])
    limits = PixelLimits(min_pixels=1)  # 20 x 20 stays as it is: one visual token, halved or not
    conversation = Conversation(family, ConversationOptions(limits=limits))
    sampling = Sampling(max_turns=2, max_new_tokens=40, rows=8, seed=0)
    (group,) = RolloutEngine(policy, conversation, sampling).rollout([sample_of_size(20, 20)], 1, 0)
    (trajectory,) = group.trajectories
    assert trajectory.tools_offered == ()
    assert [image.size for image in trajectory.images] == [(20, 20)]
    assert "<tools>" not in family.decode(trajectory.prompt_ids)
    assert "No tool is on offer" in family.decode(trajectory.turns[0].given_ids)
    assert not trajectory.high and not trajectory.direct


def ids_by_sample(policy: Policy, family: Family, samples, rows: int, draw: int = 0, seed: int = 0):
    sampling = Sampling(max_turns=2, max_new_tokens=16, rows=rows, seed=seed)
    groups = RolloutEngine(policy, make_conversation(family), sampling).rollout(samples, 3, draw)
    return {g.sample.id: [t.ids for t in g.trajectories] for g in groups}


@pytest.mark.equivalence
def test_what_is_sampled_depends_on_seed_draw_sample_and_rollout_alone(
    policy: Policy, family: Family
) -> None:
    samples = [sample_of_size(112, 112), sample_of_size(168, 84), sample_of_size(84, 140)]
    first = ids_by_sample(policy, family, samples, rows=9)
    assert ids_by_sample(policy, family, samples[::-1], rows=2) == first
    assert ids_by_sample(policy, family, samples[1:2], rows=9) == {
        samples[1].id: first[samples[1].id]
    }
    assert ids_by_sample(policy, family, samples, rows=9, draw=1) != first
    assert ids_by_sample(policy, family, samples, rows=9, seed=1) != first
    assert len({tuple(ids) for rollouts in first.values() for ids in rollouts}) > 3


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_restored(policy: Policy, family: Family, training: bool) -> None:
    policy.train(training)
    ids_by_sample(policy, family, [sample_of_size(56, 56)], rows=4)
    assert policy.training is training


def test_no_samples_no_groups(policy: Policy, family: Family) -> None:
    assert ids_by_sample(policy, family, [], rows=4) == {}
