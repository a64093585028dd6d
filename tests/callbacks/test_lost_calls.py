"""When calls count as gone, by hand and on the rates of real runs."""

import json

import pytest

from visionthink_pl.callbacks.lost_calls import LOST, LostCalls

# Sampled resize rates of ``every_call``, seed 0, in docs/results: gone from batch 30 on.
EVERY_CALL = (
    [0.255, 0.237, 0.216, 0.234, 0.221, 0.24, 0.138, 0.198, 0.271, 0.115, 0.167, 0.169, 0.19]
    + [0.169, 0.125, 0.172, 0.068, 0.109, 0.091, 0.094, 0.086, 0.049, 0.076, 0.065, 0.062, 0.078]
    + [0.07, 0.042, 0.049, 0.01]
    + [0.0] * 50
)


def speaks(rates: list[float], accuracies: list[float]) -> list[int]:
    """The draws in which it does."""
    lost = LostCalls()
    pairs = enumerate(zip(rates, accuracies, strict=True))
    return [draw for draw, (rate, accuracy) in pairs if lost.see(rate, accuracy)]


def test_it_speaks_within_ten_batches_of_the_last_calls() -> None:
    accuracy = [0.65] * 20 + [0.55] * 60
    assert speaks(EVERY_CALL, accuracy) == [38] and 38 < 45


@pytest.mark.parametrize(
    ("rates", "accuracies", "expected", "why"),
    [
        ([0.5] * 40, [0.5] * 40, [], "both choices are made"),
        ([0.02] * 40, [0.5] * 40, [], "some calls are left"),
        ([0.0] * 40, [0.5] * 40, [LOST - 1], "from the start; once"),
        ([1.0] * 40, [0.5] * 40, [LOST - 1], "always calling is no choice either"),
        ([0.3] * 15 + [1.0] * 25, [0.6] * 15 + [0.95] * 25, [], "every call was worth it"),
        ([0.3] * 15 + [0.0] * 25, [0.6] * 15 + [0.7] * 25, [], "calls were of no use"),
        ([0.0] * 9 + [0.3] + [0.0] * 9, [0.5] * 19, [], "nine, twice"),
        ([0.0] * 10 + [0.3] + [0.0] * 10, [0.5] * 21, [9, 20], "ten, twice"),
        ([0.0, 1.0] * 10, [0.5] * 20, [9], "either edge"),
    ],
)
def test_by_hand(
    rates: list[float], accuracies: list[float], expected: list[int], why: str
) -> None:
    assert speaks(rates, accuracies) == expected, why


def test_it_goes_on_from_a_checkpoint() -> None:
    whole, before, after = LostCalls(), LostCalls(), LostCalls()
    draws = [(rate, 0.5) for rate in EVERY_CALL]
    for rate, accuracy in draws[:35]:
        before.see(rate, accuracy)
    after.state = json.loads(json.dumps(before.state))
    found = [after.see(*draw) for draw in draws[35:]]
    assert found == [whole.see(*draw) for draw in draws][35:] and any(found)
