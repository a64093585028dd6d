"""Optimizers of one's own: what they must be, and what a checkpoint says of them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from visionthink_pl.training import AdamW, OptimizerConfig
from visionthink_pl.training.optimizer_config import built
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import Share


@dataclass(frozen=True, kw_only=True)
class Momentum(OptimizerConfig):
    """SGD; what has one axis is not decayed."""

    momentum: Share = 0.9
    weight_decay: float = 0.1
    where: Any = None

    def build(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in parameters if p.ndim == 1], "lr": 2 * self.lr},
        ]
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum)


@dataclass(frozen=True, kw_only=True)
class Wrong(OptimizerConfig):
    returned: Any = None

    def build(self, parameters: Sequence[nn.Parameter]) -> Any:
        return self.returned


def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(2))]


def test_settings_hold_again_for_what_was_restored() -> None:
    settings = Momentum(lr=0.1, momentum=0.5, weight_decay=0.3)
    built_now, restored = built(settings, parameters()), built(Momentum(lr=1.0), parameters())
    for group in restored.param_groups:
        group["steps_so_far"] = 7  # the optimizer's own: schedule-free ones count there
    settings.apply(restored.param_groups, built_now.param_groups)
    first, second = restored.param_groups
    assert [group["momentum"] for group in (first, second)] == [0.5, 0.5]
    assert (first["weight_decay"], second["weight_decay"]) == (0.3, 0), "groups stay different"
    assert (first["lr"], second["lr"]) == (1.0, 2.0), "which the schedule sets"
    assert first["steps_so_far"] == second["steps_so_far"] == 7


def test_a_field_is_checked_as_options_are() -> None:
    with pytest.raises(ConfigError, match=r"model\.optimizer\.momentum: from 0 to 1, not 2"):
        Momentum(momentum=2.0)
    with pytest.raises(ConfigError, match=r"model\.optimizer\.lr: above 0"):
        Momentum(lr=0.0)


def test_the_record_loads_without_running_code() -> None:
    settings = Momentum(lr=0.1, where=(Path("a"), [1, None, "b"], torch.float32))
    file = io.BytesIO()
    torch.save(settings.record(), file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    assert saved == settings.record()
    assert saved["model.optimizer.where"] == (repr(Path("a")), [1, None, "b"], "torch.float32")
    assert settings.changes(saved) == []
    with pytest.raises(Exception, match="weights_only"):  # as it would be without care
        file = io.BytesIO()
        torch.save({"where": Path("a")}, file)
        file.seek(0)
        torch.load(file, weights_only=True)


ADAMW, OWN = "visionthink_pl.training.optimizer.AdamW", f"{__name__}.Momentum"
UNNAMED = {name: value for name, value in AdamW().record().items() if name != "model.optimizer"}
# A record, the settings now, and the classes that a refusal names; `None` where there is none.
STATES: list[tuple[dict[str, Any], OptimizerConfig, tuple[str, str] | None]] = [
    (AdamW().record(), Momentum(), (ADAMW, OWN)),
    (Momentum().record(), AdamW(), (OWN, ADAMW)),
    (Momentum().record(), Wrong(), (OWN, f"{__name__}.Wrong")),
    (Momentum().record() | {"model.optimizer": "other.Momentum"}, Momentum(), ("other.", OWN)),
    (UNNAMED, Momentum(), (ADAMW, OWN)),
    ({}, Momentum(), (ADAMW, OWN)),
    (UNNAMED, AdamW(), None),
    ({}, AdamW(), None),
    (Momentum().record(), Momentum(), None),
]


@pytest.mark.parametrize(("saved", "now", "refused"), STATES)
def test_state_of_another_class_is_refused(
    saved: dict[str, Any], now: OptimizerConfig, refused: tuple[str, str] | None
) -> None:
    if refused is None:
        assert now.changes(saved) == []
        assert now.changes(replace(now, lr=0.5).record()) == [
            f"model.optimizer.lr {now.lr} (was 0.5)"
        ]
        return
    with pytest.raises(ConfigError) as refusal:
        now.changes(saved)
    before, after = refused
    assert str(refusal.value).startswith(f"model.optimizer: {after} can't go on with")
    assert f"resume with {before}" in str(refusal.value)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "Wrong.build returned NoneType; return a torch.optim.Optimizer"),
        ([torch.optim.SGD(parameters())], "Wrong.build returned list"),
        (type("Free", (Optimizer,), {})(parameters(), {}), "without a learning rate"),
    ],
)
def test_what_training_cannot_use_is_refused(returned: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=f"model.optimizer: .*{words}"):
        built(Wrong(returned=returned), parameters())
