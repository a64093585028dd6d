"""The state of any optimizer is counted, or the plan says that it is not."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from plan_helpers import SMALL, make_setup, write_checkpoint
from visionthink_pl.commands.plan import plan as plan_command
from visionthink_pl.commands.plan.cards import Card
from visionthink_pl.commands.plan.estimate import estimate
from visionthink_pl.commands.plan.ledger import Ghost, Ledger, tensors_in
from visionthink_pl.commands.plan.optimizer_state import stepped
from visionthink_pl.training import AdamW, OptimizerConfig

QUICKSTART = str(Path(__file__).parents[3] / "configs" / "quickstart.yaml")


@dataclass(frozen=True, kw_only=True)
class Own(OptimizerConfig):
    of: Callable[..., Optimizer]

    def build(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        return self.of(parameters, lr=self.lr)


class LooksAtValues(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        raise RuntimeError("there are no values")


def momentum(parameters: Sequence[nn.Parameter], lr: float) -> Optimizer:
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9)


def parameters(ghostly: bool) -> list[nn.Parameter]:
    made = []
    for shape in ((96, 128), (128, 64)):
        meta = torch.empty(shape, device="meta")
        made.append(nn.Parameter(Ghost(meta) if ghostly else torch.ones(shape)))
        made[-1].grad = torch.zeros_like(made[-1])
    return made


def state_bytes(optimizer: Optimizer) -> int:
    return sum(tensor.nbytes for tensor in tensors_in([*optimizer.state.values()]))


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize(
    "of", [momentum, torch.optim.Muon, torch.optim.Adafactor, torch.optim.NAdam, torch.optim.AdamW]
)
def test_state_is_as_large_as_that_of_a_real_step(of: Any, gpu: bool) -> None:
    config = Own(of=of)
    real = config.build(parameters(ghostly=False))
    real.step()
    with Ledger(lambda func, tensor: "other"):
        first = stepped(config, parameters(ghostly=True), gpu)
        found = sum(tensor.nbytes for tensor in first.state)
        first.optimizer.step()  # it goes on
    assert first.uncounted is None and found == state_bytes(real) > 0
    assert found == state_bytes(first.optimizer)


def test_adamw_in_8_bits_is_reckoned() -> None:
    weights = 96 * 128 + 128 * 64
    with Ledger(lambda func, tensor: "other"):
        first = stepped(AdamW(variant="8bit"), parameters(ghostly=True), gpu=True)
    assert sum(tensor.nbytes for tensor in first.state) == weights * (2 + 8 / 256)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_checkpoint(tmp_path_factory.mktemp("small"), SMALL)


def test_an_estimate_counts_the_state_of_all_layers(small: str) -> None:
    setup = make_setup(small, {"side": 112, "new_tokens": 4, "group": 2})
    adamw, sgd, none = (
        estimate(replace(setup, optimizer=optimizer))
        for optimizer in (AdamW(), Own(of=momentum), Own(of=LooksAtValues))
    )
    adapters = adamw.phases["backward"]["adapters"]
    assert adamw.phases["backward"]["optimizer"] == pytest.approx(2 * adapters, rel=0.01)
    assert sgd.phases["backward"]["optimizer"] == adapters and sgd.uncounted is None
    assert none.phases["backward"]["optimizer"] == 0
    assert none.uncounted == "Own: RuntimeError: there are no values"


OWN = """
from dataclasses import dataclass
import torch
from visionthink_pl.training import OptimizerConfig

@dataclass(frozen=True, kw_only=True)
class Wrong(OptimizerConfig):
    def build(self, parameters):
        return torch.optim.Muon([p.flatten() for p in parameters], lr=self.lr)
"""


def test_a_plan_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(Card, "here", classmethod(lambda cls: None))
    (tmp_path / "wrong_optimizers.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    args = ["--config", QUICKSTART, "--prompt-tokens", "0", "--data.prompts_per_step", "1"]
    assert plan_command.main([*args, "--rollout.group_size", "2"]) == 0
    assert "not counted" not in capsys.readouterr().out
    args += ["--rollout.group_size", "2", "--model.optimizer=wrong_optimizers.Wrong"]
    assert plan_command.main(args) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "The optimizer's state is not counted (Wrong: ValueError: can't optimize a non-" in said
    assert plan_command.main([*args, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["uncounted"].startswith("Wrong: ValueError")
