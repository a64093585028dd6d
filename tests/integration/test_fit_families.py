"""Three optimizer steps with each family, rollouts with second turns and a reference included."""

from pathlib import Path

import pytest
import torch

from families_helpers import asks, few_ids, own_class
from trainer_helpers import Plain, Watch, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.families import Family
from visionthink_pl.losses import GRPOLoss
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.training.optimizer import AdamW

pytestmark = pytest.mark.integration


# Precision, and how far log-probabilities as sampled may lie from those of the training pass.
@pytest.mark.parametrize(("precision", "limit"), [("32-true", 1e-5), ("bf16-mixed", 0.1)])
def test_three_steps(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    limit: float,
) -> None:
    torch.manual_seed(0)  # the adapters start from it
    monkeypatch.setattr(Family, "never_sampled", few_ids)
    monkeypatch.setattr(Conversation, "call", asks)
    base = {"pretrained": str(checkpoint), "family": own_class(checkpoint)}
    module = make_module(**base, loss=GRPOLoss(kl_coefficient=0.1), optimizer=AdamW(lr=1e-3))
    watch, rollout = Watch(), make_rollout(max_new_tokens=16, group_size=4, filters=[])
    trainer = make_trainer(tmp_path, rollout, watch, precision=precision, log_every_n_steps=1)
    trainer.fit(module, datamodule=make_data(Plain(length=6)))
    assert trainer.global_step == 3
    groups = [g for batch in watch.batches["fit"] for g in batch.rollouts.groups]
    asked = [t.high for group in groups for t in group.trajectories]
    assert 0 < sum(asked) < len(asked)
    figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert figures["loss/grad_norm"] > 0
    assert figures["loss/kl"] > 0  # in the third step, the policy is no longer the reference
    assert figures["train/logprob_difference_max"] < limit
    frozen = {n: p for n, p in module.named_parameters() if not p.requires_grad}
    trained = {n: p for n, p in module.named_parameters() if p.requires_grad}
    assert trained and all("lora_" in name for name in trained)
    assert all(p.abs().max() > 0 for name, p in trained.items() if "lora_B" in name)
    fresh = make_module(**base)
    fresh.trainer = trainer
    fresh.configure_model()
    for name, parameter in fresh.named_parameters():
        if not parameter.requires_grad:
            assert torch.equal(parameter, frozen[name])
