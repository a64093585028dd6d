"""Which ids top-k, top-p and min-p leave, by hand and against transformers' own processors."""

import pytest
import torch
from torch import Tensor

from equivalence.naive import truncated
from visionthink_pl.rollout.rows import pick, uniforms
from visionthink_pl.rollout.truncation import Truncation
from visionthink_pl.types import ConfigError

NEVER = float("-inf")


def logprobs(probabilities: list[float]) -> Tensor:
    return torch.tensor([probabilities], dtype=torch.float64).log().float()


def left(truncation: Truncation, logprobs_NV: Tensor) -> list[list[int]]:
    return [row.nonzero().flatten().tolist() for row in truncation(logprobs_NV).isfinite()]


# Probabilities, options, the ids that are left.
BY_HAND = [
    ([0.5, 0.0, 0.1, 0.4], {"top_k": 2}, [0, 3], "the two most likely"),
    ([0.5, 0.0, 0.1, 0.4], {"top_k": 9}, [0, 2, 3], "more than there are; none that is never"),
    ([0.2, 0.2, 0.4, 0.2], {"top_k": 2}, [0, 1, 2, 3], "as likely as the last of the k"),
    ([0.1, 0.6, 0.25, 0.05], {"top_p": 0.5}, [1], "one is enough"),
    ([0.1, 0.6, 0.25, 0.05], {"top_p": 0.61}, [1, 2], "the second makes it more than that"),
    ([0.1, 0.6, 0.25, 0.05], {"top_p": 0.96}, [0, 1, 2, 3], "the last one is needed"),
    ([0.1, 0.6, 0.25, 0.05], {"top_p": 1e-9}, [1], "never none"),
    ([0.25, 0.25, 0.25, 0.25], {"top_p": 0.4}, [2, 3], "at the edge those of higher number"),
    ([0.1, 0.6, 0.25, 0.05], {"min_p": 0.3}, [1, 2], "0.18 and more"),
    ([0.25, 0.5, 0.25, 0.0], {"min_p": 0.5}, [0, 1, 2], "exactly half is left"),
    ([0.1, 0.6, 0.25, 0.05], {"min_p": 1.0}, [1], "the most likely"),
    # After top-k the shares are 0.6 and 0.4, so that one has the half; before it, 0.4 has not.
    ([0.45, 0.3, 0.25], {"top_k": 2, "top_p": 0.55}, [0], "top-p among what top-k leaves"),
    # Of all, 0.5 and 0.3 have less than 0.85; min-p first would leave them 0.5 and 0.3 of 0.8.
    ([0.5, 0.3, 0.1, 0.1], {"top_p": 0.85, "min_p": 0.5}, [0, 1], "min-p behind top-p"),
]


@pytest.mark.parametrize(("probabilities", "options", "expected", "why"), BY_HAND)
def test_what_is_left(
    probabilities: list[float], options: dict[str, float], expected: list[int], why: str
) -> None:
    logprobs_1V = logprobs(probabilities)
    assert left(Truncation(**options), logprobs_1V) == [expected], why
    share = sum(probabilities[i] for i in expected)
    found = Truncation(**options)(logprobs_1V)[0].exp().tolist()
    wanted = [p / share if i in expected else 0.0 for i, p in enumerate(probabilities)]
    assert found == pytest.approx(wanted, abs=1e-6)


EACH_AND_ALL = [
    {"top_k": 5},
    {"top_p": 0.8},
    {"min_p": 0.2},
    {"top_k": 12, "top_p": 0.9},
    {"top_p": 0.95, "min_p": 0.1},
    {"top_k": 20, "top_p": 0.9, "min_p": 0.05},
]


@pytest.mark.parametrize("options", EACH_AND_ALL)
@pytest.mark.parametrize("ties", [False, True])
def test_what_is_left_is_what_transformers_leaves(options: dict[str, float], ties: bool) -> None:
    scores_NV = 3 * torch.randn(200, 40, generator=torch.Generator().manual_seed(0))
    scores_NV = scores_NV.round() if ties else scores_NV
    scores_NV[:, ::7] = NEVER
    truncation, logprobs_NV = Truncation(**options), scores_NV.log_softmax(-1)
    wanted_NV = truncated(logprobs_NV, truncation).log_softmax(-1)
    found_NV = truncation(logprobs_NV)
    if ties and "top_p" in options:  # of those at its edge transformers takes any
        found_NV, wanted_NV = found_NV.sort().values, wanted_NV.sort().values
    torch.testing.assert_close(found_NV, wanted_NV, atol=1e-6, rtol=0)


@pytest.mark.parametrize("options", EACH_AND_ALL)
def test_the_most_likely_id_is_always_left(options: dict[str, float]) -> None:
    logprobs_NV = torch.randn(200, 40, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    found_NV = Truncation(**options)(logprobs_NV)
    assert not found_NV.isnan().any()
    most_N1 = logprobs_NV.argmax(-1, keepdim=True)
    assert found_NV.gather(-1, most_N1).isfinite().all()


@pytest.mark.parametrize("options", EACH_AND_ALL)
def test_frequencies_are_those_of_the_truncated_distribution(options: dict[str, float]) -> None:
    scores_V = 2 * torch.randn(40, generator=torch.Generator().manual_seed(1))
    logprobs_1V, count = scores_V.log_softmax(-1)[None], 20_000
    chosen_N = pick(Truncation(**options)(logprobs_1V).expand(count, 40), uniforms(0, "a", count))
    seen_V = torch.bincount(chosen_N, minlength=40)
    expected_V = truncated(logprobs_1V, Truncation(**options))[0].softmax(-1) * count
    some_V = expected_V > 0
    assert seen_V[~some_V].sum() == 0
    degrees = int(some_V.sum()) - 1
    assert chi_square(seen_V[some_V], expected_V[some_V]) < degrees + 4 * (2 * degrees) ** 0.5
    # The control: against all ids, the same frequencies are far off.
    assert chi_square(seen_V, logprobs_1V[0].exp() * count) > 40 + 4 * 80**0.5


def chi_square(seen_V: Tensor, expected_V: Tensor) -> float:
    return ((seen_V - expected_V) ** 2 / expected_V).sum().item()


@pytest.mark.parametrize(
    ("options", "active"),
    [({}, False), ({"top_k": 1}, True), ({"top_p": 0.999}, True), ({"min_p": 1e-6}, True)],
)
def test_only_what_may_leave_something_out_is_active(
    options: dict[str, float], active: bool
) -> None:
    assert Truncation(**options).active is active


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": -1}, "top_k: at least 0, not -1"),
        ({"top_p": 0.0}, "top_p: above 0 and at most 1, not 0.0"),
        ({"min_p": 1.5}, "min_p: from 0 to 1, not 1.5"),
    ],
)
def test_impossible_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Truncation(**options)
