"""The embedded model, loaded once for all tests, with an adapter that does something; and small
checkpoints of each family."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from families_helpers import NAMES, make_checkpoint
from model_helpers import embedded_policy
from visionthink_pl.families import Family, load_family
from visionthink_pl.policy import Policy


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", choices=("cpu", "cuda"), default="cpu", help="of equivalence/")


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> str:
    """Where the models of ``equivalence/`` are; a GPU's convolutions are to round as fp32 does."""
    torch.backends.cudnn.allow_tf32 = False
    return request.config.getoption("device")


@pytest.fixture(scope="session")
def family() -> Family:
    return load_family("embedded")


@pytest.fixture(scope="session")
def shared_policy(family: Family, device: str) -> Policy:
    return embedded_policy(family, device=device)


@pytest.fixture(scope="session", params=[*NAMES, "pixtral_llava"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint of each family, and of one that is not Qwen's: ``family_of`` it."""
    return make_checkpoint(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session", params=NAMES)
def qwen_checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A small checkpoint of each family that ships."""
    return make_checkpoint(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def policy(shared_policy: Policy) -> Iterator[Policy]:
    """The shared policy, its weights, gradients and mode as they were before the test."""
    before = {name: p.detach().clone() for name, p in shared_policy.named_parameters()}
    yield shared_policy
    with torch.no_grad():
        for name, p in shared_policy.named_parameters():
            p.copy_(before[name])
            p.grad = None
    shared_policy.eval()
    shared_policy.features.clear()
