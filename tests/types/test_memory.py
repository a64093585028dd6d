"""Memory that runs out: the error says in which phase, with what, and what to change."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from trainer_helpers import make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import AdapterCheckpoint, group_sampler
from visionthink_pl.commands.verb import exit_code
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.policy import Lora
from visionthink_pl.rollout import RolloutEngine
from visionthink_pl.types.memory import OutOfMemory, memory_for

GPU = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")
CPU = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ...")


def in_second_call(owner: type, name: str, error: Exception, patch: pytest.MonkeyPatch) -> None:
    """The first call goes well: there is a checkpoint to stand."""
    function: Callable = getattr(owner, name)
    calls = []

    def failing(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise error
        return function(*args, **kwargs)

    patch.setattr(owner, name, failing)


# Where it happens, by which error, and what must be said.
PHASES = [
    (RolloutEngine, "roll_out", GPU, r"in the rollout, with 6 trajectories at once .*rows to 3"),
    (
        VisionThinkModule,
        "manual_backward",
        CPU,
        r"in the update, with 6 trajectories of [\d,]+ tokens, [\d,]+ of them visual .*"
        r"micro_batch_size to 3.*gradient_checkpointing to true.*quantization to nf4",
    ),
    (group_sampler, "score_groups", GPU, r"in scoring, with 2 groups"),
    (nn.utils, "clip_grad_norm_", GPU, r"in the optimizer's step, with [\d,]+ weights.*8bit"),
    (torch.optim.AdamW, "step", GPU, r"in the optimizer's step, with [\d,]+ weights.*8bit"),
]


@pytest.mark.integration
@pytest.mark.parametrize(("owner", "name", "error", "message"), PHASES)
def test_the_phase_the_sizes_and_the_change_are_named_and_the_last_checkpoint_stands(
    tmp_path: Path, monkeypatch, capsys, owner: type, name: str, error: Exception, message: str
) -> None:
    saves = AdapterCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    trainer = make_trainer(tmp_path, make_rollout(), saves, enable_checkpointing=True)
    in_second_call(owner, name, error, monkeypatch)
    code = exit_code(lambda: trainer.fit(make_module(lora=Lora(r=4)), datamodule=make_data()))
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 1 and re.search(message, said), said
    assert "plan` says what fits" in said
    assert sorted(path.name for path in tmp_path.glob("*.ckpt")) == ["step=1.ckpt"]
    assert torch.load(tmp_path / "step=1.ckpt", weights_only=False)["global_step"] == 1


def test_no_remedy_is_named_that_is_taken_already() -> None:
    lora = Lora(r=4, quantization="nf4")
    module = make_module(lora=lora, gradient_checkpointing=True, micro_batch_size=1)
    (remedy,) = module.options.remedies.for_pass(rows=1)
    assert remedy.startswith("lower rollout.limits.max_pixels")


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="^shapes differ$"), memory_for("x", "y", ["z"]):
        raise RuntimeError("shapes differ")
    with pytest.raises(OutOfMemory), memory_for("x", "y", ["z"]):
        raise MemoryError
