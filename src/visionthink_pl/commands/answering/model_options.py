"""Where a policy that answers comes from."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from peft import get_peft_model, set_peft_model_state_dict
from torch import nn

from visionthink_pl.commands.export.find import find_run
from visionthink_pl.commands.export.trained import Trained, read_trained
from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.families import load_family
from visionthink_pl.internals.bitsandbytes import keep_layout
from visionthink_pl.policy import Lora, Policy, load_policy
from visionthink_pl.policy.attention import SHARED_PREFIX
from visionthink_pl.policy.load import nf4
from visionthink_pl.policy.tuning import ADAPTER_FILE
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import ConfigError

SHORT, FULL = "--model", "--model.ckpt"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class ModelOptions:
    """The policy that answers.

    Args:
        ckpt: a checkpoint of a run (``name.ckpt``), the folder of an adapter, a folder that
            ``export`` wrote, any other model's folder or hub id, or ``embedded``. ``--model X`` is
            short for ``--model.ckpt X``.
        config: the run's ``config.yaml``; by default beside the checkpoint or in the folder above.
        pretrained: the base of an adapter; by default the one in the run's config.
        precision: of the base weights and of computation; by default the run's, and without one
            bf16 on a GPU and fp32 on a CPU.
        device: to compute on; ``auto`` is the GPU where there is one.
    """

    ckpt: str = "embedded"
    config: str | None = None
    pretrained: str | None = None
    precision: Literal["fp32", "bf16"] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("model.device: no GPU can be used here; set auto or cpu")

    def find(self) -> Run:
        """The run that the weights come from, or what stands for it; no weights are loaded.

        Raises:
            ConfigError: there is no such model, or its config can't be read.
        """
        path = Path(self.ckpt)
        if path.suffix == ".ckpt" or (path / ADAPTER_FILE).is_file():
            if not path.exists():
                raise ConfigError(f"model.ckpt: there is no file {self.ckpt!r}")
            return find_run(path, self.config, self.pretrained)
        if self.config is not None or (path / "config.yaml").is_file():
            return find_run(path, self.config, self.ckpt)
        return Run(None, {}, self.ckpt, load_family(self.ckpt), ConversationOptions())

    def load(self, run: Run, temperature: float = 1.0) -> Policy:
        """Load the weights; the policy is in eval mode.

        Args:
            run: as found.
            temperature: of the distribution that is sampled from.

        Raises:
            ConfigError: the weights do not fit the base.
        """
        path = Path(self.ckpt)
        trained = path.suffix == ".ckpt" or (path / ADAPTER_FILE).is_file()
        policy = (
            _trained(read_trained(path, run), run, self._dtype(run), temperature)
            if trained
            else _whole(run, self._dtype(run), temperature)
        )
        return policy.to(self._device).eval().requires_grad_(False)

    def context(self, policy: Policy, run: Run) -> AbstractContextManager[object]:
        """The autocast context of the precision, as in training."""
        bf16 = self._dtype(run) == torch.bfloat16
        return torch.autocast(policy.device.type, torch.bfloat16, enabled=bf16)

    @property
    def _device(self) -> str:
        if self.device != "auto":
            return self.device
        return "cuda" if torch.cuda.is_available() else "cpu"

    def _dtype(self, run: Run) -> torch.dtype:
        if self.precision is not None:
            return DTYPES[self.precision]
        if run.config_file is not None:
            return run.dtype
        return torch.bfloat16 if self._device == "cuda" else torch.float32


def in_full(args: Sequence[str]) -> list[str]:
    """Arguments of a command line, with ``--model X`` as ``--model.ckpt X``."""
    return [
        arg.replace(SHORT, FULL, 1) if arg == SHORT or arg.startswith(f"{SHORT}=") else arg
        for arg in args
    ]


def _trained(trained: Trained, run: Run, dtype: torch.dtype, temperature: float) -> Policy:
    """The base with an adapter, or with whole weights in place of its own."""
    if trained.adapter is None:
        model = run.family.load_model(run.base, torch.float32, SHARED_PREFIX)
        model.load_state_dict(trained.tensors, strict=False)
        cast: nn.Module = model  # whose to() is not wrapped
        return Policy(cast.to(dtype), run.family, temperature)  # type: ignore[arg-type]
    quantization = nf4(dtype, run.family) if run.quantized else None
    model = run.family.load_model(run.base, dtype, SHARED_PREFIX, quantization)
    if quantization is not None:
        keep_layout(model)
    adapted = get_peft_model(model, trained.adapter)
    set_peft_model_state_dict(adapted, dict(trained.tensors))
    return Policy(adapted, run.family, temperature)


def _whole(run: Run, dtype: torch.dtype, temperature: float) -> Policy:
    """A model as it is; the zero adapter that ``load_policy`` adds is merged, which saves time."""
    policy = load_policy(run.pretrained, run.family, Lora(r=1), temperature, dtype)
    policy.model.merge_adapter()  # type: ignore[operator]
    return policy
