"""Accuracy by a judge: what is asked, and what becomes of failures."""

import threading
from concurrent.futures import Future

import pytest

from helpers import make_group, make_trajectory
from visionthink_pl.rewards import HybridAccuracy, JudgeAccuracy, ResizePenalty, score_groups
from visionthink_pl.rewards.judge import Case, Judge, JudgeFailure
from visionthink_pl.rewards.rules.math_process import Undecided
from visionthink_pl.rewards.rules.mathematics import PROCESS
from visionthink_pl.types import Group, RunStopped, StopReason, Trajectory


class Listed(Judge):
    """Knows its verdicts; fails on all other cases. Answers only once it is flushed."""

    def __init__(self, **verdicts: int) -> None:
        self.verdicts, self.asked = verdicts, list[Case]()
        self._waiting: list[tuple[Case, Future[int]]] = []

    def submit(self, case: Case) -> Future[int]:
        self.asked.append(case)
        future: Future[int] = Future()
        self._waiting.append((case, future))
        return future

    def flush(self) -> None:
        for case, future in self._waiting:
            if case.answer in self.verdicts:
                future.set_result(self.verdicts[case.answer])
            else:
                future.set_exception(JudgeFailure(f"cannot tell of {case.answer}"))
        self._waiting.clear()


def group_of(*answers: str | None, truth: str = "red") -> Group:
    return make_group([trajectory_of(answer) for answer in answers], truth)


def trajectory_of(answer: str | None) -> Trajectory:
    stop = StopReason.NO_ANSWER if answer is None else StopReason.ANSWERED
    return make_trajectory(answer, stop=stop)


def test_the_judge_sees_question_truth_and_answer_alone() -> None:
    judge = Listed(crimson=1)
    reward = JudgeAccuracy(judge)
    assert reward.score(group_of("crimson"), {}) == [1.0]
    assert judge.asked == [Case("Which digit?", "red", "crimson")]


def test_the_judge_sees_all_truths_at_once() -> None:
    judge = Listed(rouge=1)
    group = make_group([trajectory_of("rouge")], "red", ("crimson", "scarlet"))
    assert JudgeAccuracy(judge).score(group, {}) == [1.0]
    assert judge.asked == [Case("Which digit?", "red", "rouge", ("crimson", "scarlet"))]
    assert judge.asked[0].truths == ("red", "crimson", "scarlet")


def test_any_truth_will_do_for_the_rules() -> None:
    judge = Listed(blue=0)
    group = make_group([trajectory_of("Crimson."), trajectory_of("blue")], "red", ("crimson",))
    assert HybridAccuracy(judge).score(group, {}) == [1.0, 0.0]
    assert [case.answer for case in judge.asked] == ["blue"]


@pytest.mark.parametrize("answer", [None, "", " \n", "Which digit?", " which  DIGIT"])
def test_no_answer_and_the_question_itself_score_0_without_a_call(answer: str | None) -> None:
    judge = Listed()
    assert JudgeAccuracy(judge).score(group_of(answer), {}) == [0.0]
    assert HybridAccuracy(judge).score(group_of(answer), {}) == [0.0]
    assert judge.asked == []


def test_an_empty_truth_is_no_reason_to_pass_an_empty_answer() -> None:
    assert HybridAccuracy(Listed()).score(group_of("", truth=""), {}) == [0.0]


def test_rules_come_first_and_the_judge_where_they_can_t_say_yes() -> None:
    judge = Listed(crimson=1, blue=0)
    scores = HybridAccuracy(judge).score(group_of("Red.", "crimson", "blue"), {})
    assert scores == [1.0, 1.0, 0.0]
    assert [case.answer for case in judge.asked] == ["crimson", "blue"]


@pytest.mark.parametrize("answer", ["red, green, blue", "red or blue", "It is either red or not"])
def test_lists_of_answers_are_the_judge_s_to_refuse(answer: str) -> None:
    """No rule takes them, so that the judge, whose prompt says 0, is asked."""
    judge = Listed(**{answer: 0})
    assert HybridAccuracy(judge).score(group_of(answer), {}) == [0.0]
    assert [case.answer for case in judge.asked] == [answer]


def test_judging_begins_when_a_trajectory_ends() -> None:
    judge = Listed(crimson=1)
    reward, group = JudgeAccuracy(judge), group_of("crimson", "crimson")
    for trajectory in group.trajectories:
        reward.begin(group.sample, trajectory)
    assert len(judge.asked) == 2
    assert reward.score(group, {}) == [1.0, 1.0]
    assert len(judge.asked) == 2  # what was begun is collected, not asked again


def test_generation_does_not_wait_for_a_slow_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is the pair compared more than once, for all its answers are equal."""
    compared, go_on = list[str](), threading.Event()

    def slow(answer: str, truth: str) -> bool:
        compared.append(answer)
        assert go_on.wait(300), "begin has waited"
        return True

    monkeypatch.setattr(PROCESS, "equal", slow)
    judge = Listed(blue=0)
    reward = HybridAccuracy(judge)
    group = group_of(*["z(z+1)"] * 8, "blue", truth="z^2+z")
    for trajectory in group.trajectories:
        reward.begin(group.sample, trajectory)
    go_on.set()
    assert reward.score(group, {}) == [1.0] * 8 + [0.0]
    assert compared == ["z(z+1)"]
    assert [case.answer for case in judge.asked] == ["blue"]


@pytest.mark.parametrize("verdict", [0, 1])
def test_what_the_rules_could_not_decide_is_the_judge_s(
    verdict: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def undecided(answer: str, truth: str) -> bool:
        raise Undecided

    monkeypatch.setattr(PROCESS, "equal", undecided)
    answer = f"a(a+{verdict})"
    judge = Listed(**{answer: verdict})
    group = group_of(answer, answer, truth="a^2+a")
    assert HybridAccuracy(judge).score(group, {}) == [verdict] * 2
    assert [case.answer for case in judge.asked] == [answer] * 2


def test_rules_that_cannot_run_stop_the_run_where_it_is_scored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(answer: str, truth: str) -> bool:
        raise RuntimeError("math-verify could not be started")

    monkeypatch.setattr(PROCESS, "equal", broken)
    group, reward = group_of("b(b+1)", truth="b^2+b"), HybridAccuracy(Listed())
    reward.begin(group.sample, group.trajectories[0])
    with pytest.raises(RuntimeError, match="could not be started"):
        reward.score(group, {})


def test_a_failure_leaves_the_group_and_is_never_a_zero() -> None:
    group = group_of("crimson", "mauve", "blue")
    reward = JudgeAccuracy(Listed(crimson=1, blue=0), max_failure_rate=0.5)
    with pytest.warns(UserWarning, match="no verdict on 1 of 3 trajectories: cannot tell of mauve"):
        score_groups([group], [reward, ResizePenalty()])
    assert group.parts["accuracy"] == [1.0, None, 0.0]
    assert group.rewards[1] is None
    assert [t.answer for t in group.scored()[0]] == ["crimson", "blue"]


@pytest.mark.parametrize(
    ("failing", "rate", "stops"),
    [(0, 0.0, False), (1, 0.0, True), (2, 0.5, False), (3, 0.5, True), (4, 1.0, False)],
)
def test_too_many_failures_stop_the_run_with_the_endpoint_s_words(
    failing: int, rate: float, stops: bool
) -> None:
    answers = ["crimson"] * (4 - failing) + ["mauve"] * failing
    groups = [group_of(*answers[:2]), group_of(*answers[2:])]
    reward = JudgeAccuracy(Listed(crimson=1), max_failure_rate=rate)
    if stops:
        with pytest.raises(RunStopped, match=f"{failing} of 4 trajectories: cannot tell of mauve"):
            score_groups(groups, [reward])
    elif failing:
        with pytest.warns(UserWarning):
            score_groups(groups, [reward])
    else:
        score_groups(groups, [reward])


def test_a_share_is_rounded_up_to_a_whole_trajectory() -> None:
    """One of eight is more than a tenth, and no reason to stop."""
    reward = JudgeAccuracy(Listed(crimson=1), max_failure_rate=0.1)
    with pytest.warns(UserWarning, match="1 of 8"):
        score_groups([group_of(*["crimson"] * 7, "mauve")], [reward])
    with pytest.raises(RunStopped, match="2 of 8"):
        score_groups([group_of(*["crimson"] * 6, "mauve", "puce")], [reward])


def test_a_batch_that_was_begun_is_given_up_as_soon_as_too_much_of_it_has_failed() -> None:
    groups = [group_of("mauve", "puce", "crimson", "crimson") for _ in range(2)]
    reward = JudgeAccuracy(Listed(crimson=1), max_failure_rate=0.2)  # two of eight
    for group in groups:
        for trajectory in group.trajectories:
            reward.begin(group.sample, trajectory)
    reward.score(groups[0], {})
    with pytest.raises(RunStopped, match="3 of 8 trajectories"):
        reward.score(groups[1], {})
    reward.setup()  # nothing is left over for a run after this one
    with pytest.warns(UserWarning, match="1 of 8"):
        score_groups([group_of(*["crimson"] * 7, "mauve")], [reward])


def test_each_batch_is_counted_anew() -> None:
    reward = JudgeAccuracy(Listed(crimson=1), max_failure_rate=0.5)
    for _ in range(3):
        with pytest.warns(UserWarning, match="1 of 2"):
            score_groups([group_of("crimson", "mauve")], [reward])


def test_other_errors_are_not_taken_for_failures() -> None:
    class Broken(Listed):
        def flush(self) -> None:
            for _, future in self._waiting:
                future.set_exception(OSError("disk full"))

    with pytest.raises(OSError, match="disk full"):
        JudgeAccuracy(Broken()).score(group_of("crimson"), {})


def test_units_that_the_truth_lacks_are_for_the_judge_where_they_are_strict() -> None:
    judge = Listed(**{"28%": 0})
    group = group_of("28%", truth="28")
    assert HybridAccuracy(judge).score(group, {}) == [1.0]
    assert judge.asked == []
    assert HybridAccuracy(judge, units="strict").score(group, {}) == [0.0]
    assert [case.answer for case in judge.asked] == ["28%"]
