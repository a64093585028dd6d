"""What the trainer's section of a config, or a checkpoint's path, may not say."""

from __future__ import annotations

from pathlib import Path
from pydoc import locate

from jsonargparse import Namespace
from lightning.pytorch.accelerators import MPSAccelerator
from lightning.pytorch.utilities import rank_zero_info

from visionthink_pl.module import SUPPORTED_STRATEGIES
from visionthink_pl.module.checkpoints import read_checkpoint
from visionthink_pl.types import ConfigError

ACCELERATORS = ("auto", "cpu", "gpu", "cuda")
STRATEGIES = (
    "auto",
    "ddp",
    "ddp_find_unused_parameters_false",
    "ddp_find_unused_parameters_true",
)


def refuse_unsupported(trainer: Namespace) -> None:
    """Refuse unsupported strategies and accelerators, and keep ``auto`` from choosing MPS. Options
    of a strategy's class are checked once it is built."""
    strategy, accelerator = trainer.strategy, trainer.accelerator
    if isinstance(strategy, Namespace):  # checked here: an unsupported one may not even be built
        known = locate(strategy.class_path) in SUPPORTED_STRATEGIES
        strategy = strategy.class_path
    else:
        known = not isinstance(strategy, str) or strategy.lower() in STRATEGIES
    if not known:
        raise ConfigError(f"trainer.strategy: auto on one device, ddp on several, not {strategy}")
    if isinstance(accelerator, str) and accelerator not in ACCELERATORS:
        raise ConfigError(f"trainer.accelerator: auto, cpu, gpu or cuda, not {accelerator}")
    if accelerator == "auto" and MPSAccelerator.is_available():
        trainer.accelerator = "cpu"
        rank_zero_info("trainer.accelerator: auto is the CPU here; MPS has no fp64.")


def refuse_replaced(trainer: Namespace) -> None:
    """Refuse options that ours replace; Lightning does so only after the first validation."""
    if trainer.gradient_clip_val:
        raise ConfigError("trainer.gradient_clip_val: set model.max_grad_norm in its place")
    if trainer.accumulate_grad_batches != 1:
        raise ConfigError(
            "trainer.accumulate_grad_batches: must be 1; data.prompts_per_step says how much a "
            "step sees, model.micro_batch_size how much at once"
        )


def refuse_bad_checkpoint(path: str | None) -> None:
    """Refuse a path that is no checkpoint. URLs and ``hpc``, the checkpoint of a preempted SLURM
    job, are left to Lightning; ``best`` means nothing in a new process."""
    if path is None or path == "hpc" or "://" in path:
        return
    if Path(path).is_file():
        read_checkpoint(Path(path), "ckpt_path")
        return
    if path == "best":
        raise ConfigError("ckpt_path: name the file; a new process doesn't know the best one")
    beside = Path(f"{path.rstrip('/')}.ckpt")
    within = sorted(Path(path).glob("*.ckpt"), key=lambda file: file.stat().st_mtime)
    nearest = beside if beside.is_file() else within[-1] if within else None
    hint = f"; did you mean {str(nearest)!r}?" if nearest else ""
    raise ConfigError(f"ckpt_path: there is no file {path!r}{hint}")
