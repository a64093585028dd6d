"""The examples of the page on losses, advantages and optimizers; losses against plain padded
formulas."""

import csv
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from helpers import direct, make_group
from trainer_helpers import SMALL_RUN
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.losses import LossInputs
from visionthink_pl.training import Advantages, GroupNormalised
from visionthink_pl.training.credit import credit
from visionthink_pl.types import ConfigError, RunStopped

PAGE = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"`(\w+)\.py`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)
YAML = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
LENGTHS = (5, 2, 7)
ADVANTAGES = torch.tensor([1.0, -0.5, 0.8], dtype=torch.float64)


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The page's classes, from files outside of the package."""
    monkeypatch.syspath_prepend(str(tmp_path))
    found: dict[str, Any] = {}
    for name, text in PYTHON:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        found |= vars(__import__(name))
    return found


def padded() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-probabilities under the policy and when sampled, and the mask, each (N, T)."""
    generator = torch.Generator().manual_seed(0)
    old_NT = -torch.rand(3, 7, generator=generator, dtype=torch.float64)
    gap_NT = 0.4 * torch.randn(3, 7, generator=generator, dtype=torch.float64)
    mask_NT = torch.arange(7) < torch.tensor(LENGTHS)[:, None]
    return (old_NT + gap_NT).requires_grad_(), old_NT, mask_NT


def packed(logprobs_NT: torch.Tensor, old_NT: torch.Tensor, mask_NT: torch.Tensor) -> LossInputs:
    lengths_N, index_N = mask_NT.sum(1), torch.arange(3)
    return LossInputs(
        logprobs_NT[mask_NT],
        old_NT[mask_NT],
        None,
        None,
        ADVANTAGES.repeat_interleave(lengths_N),
        lengths_N.repeat_interleave(lengths_N),
        index_N.repeat_interleave(lengths_N),
        index_N.repeat_interleave(lengths_N),
        torch.zeros(int(lengths_N.sum()), dtype=torch.long),
        trajectories=3,
        tokens=int(lengths_N.sum()),
    )


def gspo(logprobs_NT: torch.Tensor, old_NT: torch.Tensor, mask_NT: torch.Tensor) -> torch.Tensor:
    """One ratio a sequence, as peers write it on padded tensors."""
    gap_N = ((logprobs_NT - old_NT) * mask_NT).sum(1) / mask_NT.sum(1)
    ratio_N1 = gap_N.exp()[:, None]
    low_N1, high_N1 = ratio_N1 * ADVANTAGES[:, None], ratio_N1.clamp(0.9, 1.2) * ADVANTAGES[:, None]
    loss_NT = -torch.min(low_N1, high_N1).expand_as(mask_NT)
    return ((loss_NT * mask_NT).sum(1) / mask_NT.sum(1)).mean()


def cispo(logprobs_NT: torch.Tensor, old_NT: torch.Tensor, mask_NT: torch.Tensor) -> torch.Tensor:
    weight_NT = (logprobs_NT - old_NT).exp().clamp(max=1.1).detach()
    loss_NT = -weight_NT * ADVANTAGES[:, None] * logprobs_NT
    return (loss_NT * mask_NT).sum() / mask_NT.sum()


@pytest.mark.equivalence
@pytest.mark.parametrize(
    ("name", "options", "plain"),
    [("GSPO", {"clip_low": 0.1, "clip_high": 0.2}, gspo), ("CISPO", {"most": 1.1}, cispo)],
)
def test_losses_of_the_page(
    examples: dict[str, Any], name: str, options: dict[str, float], plain: Any
) -> None:
    logprobs_NT, old_NT, mask_NT = padded()
    wanted = plain(logprobs_NT, old_NT, mask_NT)
    (wanted_grad,) = torch.autograd.grad(wanted, logprobs_NT)
    loss, figures = examples[name](**options)(packed(logprobs_NT, old_NT, mask_NT))
    (grad,) = torch.autograd.grad(loss, logprobs_NT)
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(grad, wanted_grad)
    assert wanted_grad.abs().max() > 0 and figures["policy"] == loss


def group_of(accuracy: list[float], rewards: list[float]) -> Any:
    group = make_group([direct() for _ in rewards])
    group.parts, group.rewards = {"accuracy": accuracy}, list(rewards)
    return group


def test_advantages_of_the_page(examples: dict[str, Any]) -> None:
    group = group_of([1.0, 1.0, 0.0, 0.0], [1.5, 1.4, 0.5, 0.4])
    rows = credit([group], examples["AccuracyFirst"](others=0.1))
    assert [row.advantage for row in rows] == pytest.approx([0.505, 0.495, -0.495, -0.505])


class Wrong(Advantages):
    def __init__(self, returned: Any) -> None:
        self.returned = returned

    def __call__(self, rewards_G: torch.Tensor, group: Any) -> Any:
        return self.returned


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([1.0, 2.0], "Wrong returned list for 2 trajectories of sample 'sample-0'"),
        (torch.zeros(3), r"Wrong returned a tensor of shape \(3,\) for 2 trajectories"),
    ],
)
def test_wrong_advantages_stop_the_run(returned: Any, message: str) -> None:
    with pytest.raises(RunStopped, match=message):
        credit([group_of([1.0, 0.0], [1.0, 0.0])], Wrong(returned))


def test_built_in_advantages_are_the_default() -> None:
    rows = credit([group_of([1.0, 0.0], [1.0, 0.0])], GroupNormalised("mean"))
    assert [row.advantage for row in rows] == [0.5, -0.5]


@pytest.mark.integration
def test_the_configs_of_the_page_train(
    examples: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    Path("small.yaml").write_text(SMALL_RUN)
    models = [yaml.safe_load(text)["model"] for text in YAML]
    page = {key: value for model in models for key, value in model.items()}
    assert list(page) == ["loss", "advantages", "optimizer"]
    Path("page.yaml").write_text(yaml.safe_dump({"model": page}))
    args = ["fit", "--config", "small.yaml", "--config", "page.yaml"]
    args += ["--model.optimizer.warmup_steps=0", "--trainer.limit_train_batches=2"]
    assert main([*args, "--data.train.length=16", "--trainer.enable_progress_bar", "false"]) == 0
    (file,) = Path().rglob("*.ckpt")
    saved = torch.load(file)
    assert saved["optimizer"]["model.optimizer"] == "my_optimizers.Muon"
    (state,) = saved["optimizer_states"]
    assert {name for one in state["state"].values() for name in one} == {"momentum_buffer"}
    rates = [float(row["lr"]) for row in csv.DictReader(next(Path().rglob("metrics.csv")).open())]
    assert rates == pytest.approx([1e-3, 5e-4])  # of a cosine over two steps


def test_a_class_and_a_normalisation_exclude_each_other(examples: dict[str, Any]) -> None:
    from visionthink_pl.module import VisionThinkModule

    with pytest.raises(ConfigError, match="model.advantages: AccuracyFirst takes the place of"):
        VisionThinkModule(advantages=examples["AccuracyFirst"](), normalisation="mean")
