"""How ids are chosen."""

import pytest
import torch

from visionthink_pl.rollout.rows import DecodingRows, pick, uniforms


def test_pick_is_the_inverse_cdf() -> None:
    logprobs_NV = torch.tensor([0.5, 0.0, 0.25, 0.25]).log().expand(5, 4)
    uniform_N = torch.tensor([0.0, 0.49, 0.5, 0.76, 1 - 2**-24])
    assert pick(logprobs_NV, uniform_N).tolist() == [0, 0, 2, 3, 3]
    assert pick(logprobs_NV, None).tolist() == [0] * 5


def test_pick_samples_in_proportion_and_never_what_is_masked() -> None:
    probabilities_V = torch.tensor([0.1, 0.0, 0.6, 0.3, 0.0])
    count = 20_000
    chosen_N = pick(probabilities_V.log().expand(count, 5), uniforms(0, "a", count))
    frequencies_V = torch.bincount(chosen_N, minlength=5) / count
    torch.testing.assert_close(frequencies_V, probabilities_V, atol=0.01, rtol=0)
    assert frequencies_V[1] == frequencies_V[4] == 0


def test_uniforms_depend_on_seed_and_key_alone() -> None:
    assert uniforms(0, "3/x/1/0", 2).tolist() == pytest.approx(
        [0.23590511083602905, 0.41454243659973145]
    )
    assert torch.equal(uniforms(0, "a", 4), uniforms(0, "a", 4))
    assert torch.equal(uniforms(0, "a", 8)[:4], uniforms(0, "a", 4))
    assert not torch.equal(uniforms(0, "a", 4), uniforms(0, "b", 4))
    assert not torch.equal(uniforms(0, "a", 4), uniforms(1, "a", 4))


END, MOST = 4, 3


def say(rows: DecodingRows, *ids: int) -> None:
    """Let each row be sure of an id."""
    logprobs_NV = torch.full((len(ids), 5), float("-inf"))
    logprobs_NV[range(len(ids)), ids] = torch.tensor([-0.5, -0.25, -1.0])
    rows.sample(logprobs_NV, END, MOST)


def test_a_row_stays_where_its_turn_has_ended_while_others_go_on() -> None:
    rows = DecodingRows.blank(3, MOST, torch.device("cpu"))
    rows.begin([0, 2], [10, 20], [7, 9], [1, 1], None)
    say(rows, 2, 3, END)
    assert rows.decoding_N.tolist() == [True, False, False]
    assert rows.longest() == 11  # that of 21 has ended
    say(rows, 3, 3, 3)
    say(rows, 0, 3, 3)
    assert not rows.decoding_N.any() and rows.longest() == 0
    first, last = rows.generated([0, 2], END)
    assert (first.ids, first.finished) == ([2, 3, 0], False)
    assert (last.ids, last.logprobs, last.finished) == ([END], [-1.0], True)
    assert rows.reached([2, 0]) == ([21, 13], [10, 10], [END, 0])
    assert rows.reached([1]) == ([0], [0], [0])  # it never began

    rows.begin([2], [25], [15], [3], None)  # its next turn, behind what it was given
    say(rows, 0, 0, 1)
    assert rows.reached([0, 2]) == ([13, 26], [10, 16], [0, 1])
    say(rows, 0, 0, END)
    (again,) = rows.generated([2], END)
    assert (again.ids, again.finished) == ([1, END], True)


def test_an_end_in_the_last_step_that_is_allowed_is_one() -> None:
    rows = DecodingRows.blank(3, MOST, torch.device("cpu"))
    rows.begin([0, 1, 2], [5, 5, 5], [5, 5, 5], [1, 1, 1], None)
    for ids in ((1, 1, 1), (2, 2, 2), (END, 3, END)):
        say(rows, *ids)
    turns = rows.generated([0, 1, 2], END)
    assert [turn.finished for turn in turns] == [True, False, True]
    assert [turn.ids for turn in turns] == [[1, 2, END], [1, 2, 3], [1, 2, END]]


def test_some_rows_are_those_rows() -> None:
    rows = DecodingRows.blank(3, MOST, torch.device("cpu"))
    rows.begin([0, 1, 2], [5, 6, 7], [1, 2, 3], [0, 1, 2], torch.rand(3, MOST))
    some = rows.select(torch.tensor([2, 0]))
    assert some.reached([0, 1]) == ([7, 5], [3, 1], [2, 0])
    assert some.uniform_NT is not None and rows.uniform_NT is not None
    assert torch.equal(some.uniform_NT, rows.uniform_NT[[2, 0]])
