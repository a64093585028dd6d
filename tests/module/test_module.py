"""The update: the loss over two-turn trajectories, and gradients that no split can change."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.accelerators import CPUAccelerator, MPSAccelerator
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, SingleDeviceStrategy, Strategy

from equivalence.naive import forward, plain_logprobs
from helpers import make_group, rollout_batch
from model_helpers import assert_same_gradients, gradients_of, mixed_trajectories
from visionthink_pl.families import Family
from visionthink_pl.losses import GRPOLoss, Loss, LossInputs
from visionthink_pl.losses.grpo import kl_k3
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.policy import Policy
from visionthink_pl.training.credit import Credited
from visionthink_pl.training.optimizer import AdamW
from visionthink_pl.types import ConfigError, PromptBatch, Trajectory

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
@pytest.mark.parametrize(
    "settings",
    [
        {"kl_coefficient": 0.0},
        {"kl_coefficient": 0.05},
        {"entropy_coefficient": 0.05},
        {"entropy_coefficient": 0.05, "aggregation": "token"},
        {"entropy_coefficient": 0.05, "aggregation": "constant"},
    ],
)
def test_any_split_into_micro_batches_gives_the_same_gradient(
    policy: Policy, family: Family, settings: dict[str, Any]
) -> None:
    loss = GRPOLoss(**settings)
    results = {}
    for size in (1, 3, 4):
        module = make_module(policy, loss=loss, micro_batch_size=size)
        figures = module.update.accumulate(credited(family)).figures
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
    module.update.accumulate(rows)
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
    module.update.accumulate(credited(family))
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
    module.update.accumulate(rows)
    wrong = gradients_of(policy)
    assert any((wrong[name] - grad).abs().max() > 1e-4 for name, grad in right.items())


def batch_of(family: Family, rewards: list[float]) -> PromptBatch:
    group = make_group(mixed_trajectories(family))
    group.parts = {"accuracy": [float(r > 1) for r in rewards]}
    group.rewards = list(rewards)
    return PromptBatch([group.sample], rollouts=rollout_batch([group], draw=3, rollout_s=0.5))


def run_step(module: VisionThinkModule, batch: PromptBatch, monkeypatch) -> dict[str, float]:
    """One training step outside a fit; returns what it logs."""
    optimizer, taken = module.configure_optimizers(), []
    optimizer.register_step_post_hook(lambda *_: taken.append(1))
    logged: dict[str, float] = {}
    monkeypatch.setattr(module, "optimizers", lambda: optimizer)
    monkeypatch.setattr(module, "log_dict", lambda values, **_: logged.update(values))
    module.training_step(batch, 0)
    logged["optimizer_steps"] = len(taken)
    return logged


def test_a_group_with_signal_takes_one_step(
    policy: Policy, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = make_module(policy, kinds=("digit",), micro_batch_size=2)
    batch = batch_of(family, [1.5, 0.5, 0.5, 1.5])
    policy.features(batch.rollouts.groups[0].trajectories[0].images)
    assert policy.features._kept
    before = {n: p.detach().clone() for n, p in module.named_parameters()}
    logged = run_step(module, batch, monkeypatch)
    assert not policy.features._kept  # freed after the step
    changed = {n for n, p in module.named_parameters() if not torch.equal(p, before[n])}
    assert changed and all("lora_" in name for name in changed)
    assert logged["optimizer_steps"] == 1
    assert logged["train/groups_with_signal"] == 1
    assert logged["kept/accuracy"] == logged["train/accuracy/digit"] == 0.5
    assert logged["loss/grad_norm"] > 0
    assert logged["loss/policy"] == pytest.approx(0, abs=1e-6)  # by construction: the ratio is 1
    assert logged["loss/kl"] > 0  # the adapter of the tests has left zero
    assert logged["rollout_step"] == 3 and logged["time/rollout_s"] == 0.5


def batch_of_groups(family: Family, count: int) -> PromptBatch:
    """Groups with signal."""
    groups = [batch_of(family, [1.5, 0.5, 0.5, 1.5]).rollouts.groups[0] for _ in range(count)]
    return PromptBatch([g.sample for g in groups], rollouts=rollout_batch(groups))


class Spy(Loss):
    """A loss that keeps what it is given."""

    def __init__(self, loss: Loss, seen: list[LossInputs]) -> None:
        self.loss, self.seen, self.kl_coefficient = loss, seen, loss.kl_coefficient

    def __call__(self, inputs: LossInputs) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        self.seen.append(inputs)
        return self.loss(inputs)


@pytest.mark.equivalence
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_several_updates_keep_to_the_policy_that_sampled(
    policy: Policy, family: Family, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    batch = batch_of_groups(family, 3)
    assert batch.rollouts is not None
    loss = GRPOLoss(kl_coefficient=0, clip_low=0.9, clip_high=9.0)
    settings = {"updates_per_batch": 3, "optimizer": AdamW(lr=1e-2), "kinds": ("digit",)}
    module = make_module(policy, loss=loss, **settings)
    # In bf16 they are computed once more; the arithmetic itself stays fp32 here.
    monkeypatch.setattr(Trainer, "precision", precision)
    with torch.no_grad():
        for group in batch.rollouts.groups:
            for trajectory in group.trajectories:
                old = plain_logprobs(policy, trajectory).tolist()
                for turn in trajectory.turns:
                    turn.logprobs = old[: len(turn.generated_ids)]
                    old = old[len(turn.generated_ids) :]
    seen: list[LossInputs] = []
    module.options = replace(module.options, loss=Spy(loss, seen))
    logged = run_step(module, batch, monkeypatch)
    assert logged["optimizer_steps"] == 3
    moved = [(inputs.logprobs_K - inputs.old_logprobs_K).abs().max().item() for inputs in seen]
    assert moved[0] < 1e-5 < 1e-3 < min(moved[1:])
    assert logged["train/logprob_difference_max"] < 1e-5  # of the first step alone
    assert logged["loss/policy"] != pytest.approx(0, abs=1e-6)
    assert [inputs.trajectories for inputs in seen] == [4, 4, 4]
    tokens = sum(t.response_tokens for t in batch.rollouts.groups[0].trajectories)
    assert [inputs.tokens for inputs in seen] == [tokens] * 3


@pytest.mark.equivalence
def test_the_entropy_bonus_reaches_the_gradient(policy: Policy, family: Family) -> None:
    rows = [replace(row, advantage=0.0) for row in credited(family)]
    bonus = make_module(policy, loss=GRPOLoss(kl_coefficient=0, entropy_coefficient=10.0))
    figures = bonus.update.accumulate(rows).figures
    found = gradients_of(policy)
    entropies = []
    for row in rows:
        logprobs_TV = forward(policy, row.trajectory)
        places = [t - 1 for t, m in enumerate(row.trajectory.generated_mask) if m]
        kept_KV = logprobs_TV[places][:, ~policy.never_sampled_V]
        entropies.append(-(kept_KV.exp() * kept_KV).sum(-1))
    assert len({len(entropies_K) for entropies_K in entropies}) > 1  # else both means are one
    assert figures["loss/entropy"] == pytest.approx(torch.cat(entropies).mean().item(), rel=1e-5)
    by_trajectory = torch.stack([entropies_K.mean() for entropies_K in entropies])
    (-10.0 * by_trajectory.mean()).backward()
    assert_same_gradients(found, gradients_of(policy))


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


def test_a_model_that_is_not_there_stops_in_the_constructor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match="model.pretrained: can't read a model config at 'no/su"):
        VisionThinkModule("no/such/folder/at/all")


def trainer_of(**differs: Any) -> Any:
    """What ``check`` looks at, on a CPU."""
    as_usual = {
        "precision": "32-true",
        "accelerator": CPUAccelerator(),
        "strategy": SingleDeviceStrategy("cpu"),
        "overfit_batches": 0.0,
        "max_epochs": 1,
        "max_steps": -1,
    }
    return SimpleNamespace(**as_usual | differs)


REFUSED = [
    (
        {"precision": "bf16-true"},
        "precision: 32-true or bf16-mixed, not bf16-true: what is trained",
    ),
    ({"accelerator": object.__new__(MPSAccelerator)}, "accelerator: cpu or cuda, not MPSAccel"),
    ({"strategy": DDPStrategy(start_method="spawn")}, "strategy: ddp, whose start method is popen"),
    ({"strategy": DDPStrategy(start_method="fork")}, "in a notebook set trainer.devices to 1"),
    ({"strategy": FSDPStrategy()}, "strategy: FSDPStrategy is not supported; take auto"),
    ({"overfit_batches": 2}, "overfit_batches: set trainer.limit_train_batches to the number"),
]


@pytest.mark.parametrize(("differs", "message"), REFUSED)
def test_trainers_that_cannot_work(differs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VisionThinkModule().check(trainer_of(**differs))


def test_decay_needs_a_length_of_training() -> None:
    cosine, endless = AdamW(schedule="cosine"), {"max_epochs": -1, "max_steps": -1}
    with pytest.raises(ConfigError, match="model.optimizer.schedule: cosine needs an end of tra"):
        VisionThinkModule(optimizer=cosine).check(trainer_of(**endless))
    VisionThinkModule(optimizer=cosine).check(trainer_of(**endless | {"max_steps": 9}))
    VisionThinkModule(optimizer=AdamW(schedule="constant")).check(trainer_of(**endless))


@pytest.mark.parametrize("strategy", [DDPStrategy(), SingleDeviceStrategy("cpu")])
def test_negative_control_trainers_that_work(strategy: Strategy) -> None:
    VisionThinkModule().check(trainer_of(strategy=strategy))
