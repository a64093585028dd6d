"""The update: the loss over two-turn trajectories, and gradients that no split can change."""

import pytest
import torch
from lightning import Trainer

from equivalence.naive import plain_logprobs
from helpers import make_group
from model_helpers import assert_same_gradients, gradients_of, mixed_trajectories
from visionthink_pl.families import Family
from visionthink_pl.losses import GRPOLoss
from visionthink_pl.losses.grpo import kl_k3
from visionthink_pl.module import Credited, VisionThinkModule
from visionthink_pl.policy import Policy
from visionthink_pl.types import ConfigError, PromptBatch, RolloutBatch, Trajectory

ADVANTAGES = (1.2, -0.3, -1.0, 0.6)  # they do not cancel, so that a wrong split would show


def make_module(policy: Policy, **settings) -> VisionThinkModule:
    """A module around a policy that is loaded already, attached to a trainer."""
    module = VisionThinkModule(**settings)
    module.policy = policy
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    trainer.strategy.connect(module)
    module.trainer = trainer
    return module


def credited(family: Family) -> list[Credited]:
    trajectories = mixed_trajectories(family)
    return [Credited(t, a) for t, a in zip(trajectories, ADVANTAGES, strict=True)]


@pytest.mark.equivalence
@pytest.mark.parametrize("kl_coefficient", [0.0, 0.05])
def test_any_split_into_micro_batches_gives_the_same_gradient(
    policy: Policy, family: Family, kl_coefficient: float
) -> None:
    loss = GRPOLoss(kl_coefficient=kl_coefficient)
    results = {}
    for size in (1, 3, 4):
        module = make_module(policy, loss=loss, micro_batch_size=size)
        figures = module.accumulate(credited(family))
        results[size] = gradients_of(policy), figures
    reference, reference_figures = results[4]
    for size in (1, 3):
        grads, figures = results[size]
        assert_same_gradients(grads, reference)
        assert figures.keys() == reference_figures.keys()
        for name in (name for name in figures if name.startswith("loss/")):
            assert figures[name] == pytest.approx(reference_figures[name], abs=1e-6, rel=1e-5)


@pytest.mark.equivalence
def test_the_gradient_is_that_of_eq_3_written_out_plainly(policy: Policy, family: Family) -> None:
    module = make_module(policy, loss=GRPOLoss(kl_coefficient=0.05), micro_batch_size=3)
    rows = credited(family)
    module.accumulate(rows)
    found = gradients_of(policy)
    total = torch.zeros(())
    for row in rows:
        logprobs_K = plain_logprobs(policy, row.trajectory)
        with torch.no_grad(), policy.model.disable_adapter():
            reference_K = plain_logprobs(policy, row.trajectory)
        ratio_K = torch.exp(logprobs_K - logprobs_K.detach())
        objective = (ratio_K * row.advantage - 0.05 * kl_k3(logprobs_K, reference_K)).mean()
        total = total - objective / len(rows)
    total.backward()
    assert_same_gradients(found, gradients_of(policy))


@pytest.mark.equivalence
def test_negative_control_a_mask_off_by_one_changes_the_gradient(
    policy: Policy, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = make_module(policy, loss=GRPOLoss(kl_coefficient=0), micro_batch_size=4)
    module.accumulate(credited(family))
    right = gradients_of(policy)
    plain_mask = Trajectory.generated_mask.fget
    assert plain_mask is not None

    def shifted(self: Trajectory) -> list[bool]:
        mask = plain_mask(self)
        return [False, *mask[:-1]]

    rows = credited(family)
    for row in rows:
        row.trajectory.turns[-1].given_ids = family.tokenizer.encode("\n")  # room for the shift
    monkeypatch.setattr(Trajectory, "generated_mask", property(shifted))
    module.accumulate(rows)
    wrong = gradients_of(policy)
    assert any((wrong[name] - grad).abs().max() > 1e-4 for name, grad in right.items())


def batch_of(family: Family, rewards: list[float]) -> PromptBatch:
    group = make_group(mixed_trajectories(family))
    group.parts = {"accuracy": [float(r > 1) for r in rewards]}
    group.rewards = list(rewards)
    return PromptBatch([group.sample], rollouts=RolloutBatch([group], draw=3, rollout_s=0.5))


def run_step(module: VisionThinkModule, batch: PromptBatch, monkeypatch) -> dict[str, float]:
    """One training step outside a fit; returns what it logs."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer, schedule = module.adamw.build(parameters, total_steps=10)
    logged: dict[str, float] = {}
    monkeypatch.setattr(module, "optimizers", lambda: optimizer)
    monkeypatch.setattr(module, "lr_schedulers", lambda: schedule)
    monkeypatch.setattr(module, "log_dict", lambda values, **_: logged.update(values))
    module.training_step(batch, 0)
    logged["optimizer_steps"] = schedule.last_epoch
    return logged


def test_a_group_with_signal_takes_one_step(
    policy: Policy, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = make_module(policy, kinds=("digit",), micro_batch_size=2)
    before = {n: p.detach().clone() for n, p in module.named_parameters()}
    logged = run_step(module, batch_of(family, [1.5, 0.5, 0.5, 1.5]), monkeypatch)
    changed = {n for n, p in module.named_parameters() if not torch.equal(p, before[n])}
    assert changed and all("lora_" in name for name in changed)
    assert logged["optimizer_steps"] == 1
    assert logged["train/groups_with_signal"] == 1
    assert logged["kept/accuracy"] == logged["train/accuracy/digit"] == 0.5
    assert logged["loss/grad_norm"] > 0
    assert logged["loss/policy"] == pytest.approx(0, abs=1e-6)  # by construction: the ratio is 1
    assert logged["loss/kl"] > 0  # the adapter of the tests has left zero
    assert logged["rollout_step"] == 3 and logged["time/rollout_s"] == 0.5


def test_without_signal_nothing_moves(
    policy: Policy, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = make_module(policy, kinds=("digit",))
    before = {n: p.detach().clone() for n, p in module.named_parameters()}
    logged = run_step(module, batch_of(family, [1.5] * 4), monkeypatch)
    assert all(torch.equal(p, before[n]) for n, p in module.named_parameters())
    assert logged["optimizer_steps"] == 0
    assert logged["train/groups_with_signal"] == 0
    assert "loss/grad_norm" not in logged and "kept/accuracy" not in logged
    assert logged["train/reward"] == 1.5


@pytest.mark.parametrize("step", ["training_step", "validation_step", "test_step", "predict_step"])
def test_steps_refuse_a_batch_without_rollouts(policy: Policy, step: str) -> None:
    module = make_module(policy)
    module.on_validation_epoch_start()
    with pytest.raises(RuntimeError, match="no rollouts"):
        getattr(module, step)(PromptBatch([]), 0)


@pytest.mark.parametrize(
    ("settings", "phrase"),
    [
        ({"micro_batch_size": 0}, "micro_batch_size"),
        ({"std_floor": -1.0}, "std_floor"),
        ({"pretrained": "no/such/folder/at/all"}, "model.pretrained"),
    ],
)
def test_impossible_settings_stop_in_the_constructor(
    settings: dict[str, object], phrase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match=phrase):
        VisionThinkModule(**settings)
