"""``python -m visionthink_pl fit|validate|test|predict --config X.yaml``: Lightning's own CLI."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from jsonargparse import ArgumentError, Namespace
from lightning import Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_warn

from visionthink_pl.callbacks import (
    Alarms,
    ComparisonTable,
    PhaseProgressBar,
    RolloutCallback,
    TrajectoryLog,
)
from visionthink_pl.callbacks.evaluation_progress import EvaluationProgress
from visionthink_pl.callbacks.heartbeat import Heartbeat
from visionthink_pl.callbacks.log_folder import log_folder
from visionthink_pl.callbacks.trajectory_files import line_of
from visionthink_pl.commands.parsing.early import load_named
from visionthink_pl.commands.parsing.error_messages import explain
from visionthink_pl.commands.parsing.verbs import LINKS, PROGRAM, SECTIONS, TRAINER_DEFAULTS, VERBS
from visionthink_pl.commands.plan.warning import warn_if_too_large
from visionthink_pl.commands.report.beside_logs import report_after
from visionthink_pl.commands.trainer.hyperparameters import Hyperparameters
from visionthink_pl.commands.trainer.refusals import (
    refuse_bad_checkpoint,
    refuse_replaced,
    refuse_unsupported,
)
from visionthink_pl.commands.trainer.run_checks import (
    check_callbacks,
    check_folders,
    check_monitored,
    figures_of,
    missing_package,
)
from visionthink_pl.commands.trainer.run_config import RunConfig, settings_of
from visionthink_pl.commands.trainer.run_folder import (
    logs_placed,
    newest_checkpoint,
    say_if_killed,
)
from visionthink_pl.commands.trainer.signals import shell_code
from visionthink_pl.commands.trainer.unfinished import RunMark
from visionthink_pl.commands.verb import PARSER_OPTIONS, built, exit_code
from visionthink_pl.data import PromptDataModule
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.training.ranks import gathered
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import Seed, complaint

STAGES: dict[str, Literal["train", "validation", "test", "predict"]] = {
    "fit": "train",
    "validate": "validation",
    "test": "test",
    "predict": "predict",
}


CLASSES = (
    VisionThinkModule,
    PromptDataModule,
    RolloutCallback,
    TrajectoryLog,
    Alarms,
    PhaseProgressBar,
    Trainer,
)


class VisionThinkCLI(LightningCLI):
    """LightningCLI with the module, the data, and the rollout callback as ``rollout``."""

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        try:
            super().parse_arguments(parser, args)
        except ArgumentError as error:
            raise ConfigError(_plain(explain(str(error), self._keys(), list(VERBS)))) from error
        config = self.config[self.config.subcommand]
        if wrong := complaint(config.seed_everything, Seed):  # the parser accepts true
            raise ConfigError(f"seed_everything: {wrong}")
        if config.ckpt_path == "last":
            config.ckpt_path = newest_checkpoint(config.trainer)
        elif config.ckpt_path is None and self.config.subcommand == "fit":
            say_if_killed(config.trainer)
        refuse_bad_checkpoint(config.ckpt_path)  # LightningCLI opens it next

    def _keys(self) -> list[str]:
        """All keys of a config; the verbs share them."""
        return list(self._verb_parser.get_defaults(skip_validation=True).keys())

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add our sections first, then the trainer's."""
        self._verb_parser = parser
        for section, of in zip(SECTIONS, CLASSES, strict=True):
            parser.add_lightning_class_args(of, section)
        parser.set_defaults({f"trainer.{name}": value for name, value in TRAINER_DEFAULTS.items()})

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        for source, target in LINKS:
            compute = int if source == "seed_everything" else None
            parser.link_arguments(source, target, compute_fn=compute)
        parser.link_arguments("data.kinds", "model.kinds", apply_on="instantiate")

    def before_instantiate_classes(self) -> None:
        """Refuse mistakes that the config alone shows."""
        config: Namespace = self.config[str(self.subcommand)]
        if config.trainer.inference_mode is not False:
            raise ConfigError(
                "trainer.inference_mode: must be false; tensors made in inference mode by the "
                "validation before training could not be trained on"
            )
        if config.trainer.use_distributed_sampler:
            raise ConfigError(
                "trainer.use_distributed_sampler: must be false; loaders draw their rank's share"
            )
        refuse_unsupported(config.trainer)
        if config.trainer.barebones:
            raise ConfigError("trainer.barebones: must be false; the rollouts are a callback")
        if config.trainer.enable_progress_bar is False:  # ours is always a callback: hide it
            config.trainer.enable_progress_bar, config.progress.refresh_rate = None, 0
        callbacks = config.trainer.callbacks or []
        if not isinstance(callbacks, list):
            raise ConfigError("trainer.callbacks: a list, such as [RolloutLog]")
        if any(callback.class_path.endswith(".RolloutCallback") for callback in callbacks):
            raise ConfigError("trainer.callbacks: RolloutCallback is added already, as rollout")
        refuse_replaced(config.trainer)

    def after_instantiate_classes(self) -> None:
        """Refuse what would otherwise fail after weights are loaded, or in another process."""
        check_folders(self.trainer)
        check_callbacks(self.trainer)
        self.model.check(self.trainer)
        self.datamodule.check(STAGES[str(self.subcommand)], self.trainer)

    def instantiate_classes(self) -> None:
        """Build all classes.

        Raises:
            ConfigError: a class refuses its options, or lacks a package.
        """
        given = self.config[str(self.subcommand)]
        config, verb = given.as_dict(), str(self.subcommand)
        self._settings = settings_of(verb, config)
        try:
            with logs_placed(given.trainer, verb, given.ckpt_path, self._settings) as resumed:
                self.save_config_kwargs["resumed"] = resumed
                built(super().instantiate_classes, config)
        except ConfigError:
            raise
        except (ValueError, ImportError, RuntimeError) as error:
            if (mistake := missing_package(error, config)) is None:
                raise
            raise mistake from error

    def before_fit(self) -> None:
        """Validate once before training, to compare with; a resumed run did that already."""
        prompts = -(-self.datamodule.prompts_per_step // self.trainer.world_size)
        warn_if_too_large(self.trainer, self.model, self._rollout(), prompts)
        if not self.datamodule.validates:
            self.trainer.limit_val_batches = 0  # or Lightning would check the interval below
        self._refuse_long_interval()
        callbacks = self.trainer.callbacks  # type: ignore[attr-defined]
        rollout = self._rollout()
        parts = [reward.name for reward in rollout.rewards]
        validates = bool(self.datamodule.validates and self.trainer.limit_val_batches)
        check_monitored(
            callbacks, figures_of(self.model, parts, rollout.options.tool_names, validates)
        )
        rollout.fit_follows()
        resumed = self.config.fit.ckpt_path is not None
        callbacks += [Hyperparameters(self.config.fit.as_dict(), resumed), Heartbeat(), RunMark()]
        if not resumed and self.datamodule.validates:
            self.trainer.validate(self.model, datamodule=self.datamodule, verbose=False)

    def _refuse_long_interval(self) -> None:
        """Lightning refuses it too, but only after the validation before training."""
        trainer, every = self.trainer, self.trainer.val_check_interval
        within_epoch = isinstance(every, int) and trainer.check_val_every_n_epoch is not None
        batches, limit = self.datamodule.batches, trainer.limit_train_batches
        if not within_epoch or not trainer.limit_val_batches or batches is None:
            return
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        if every > batches:
            raise ConfigError(
                f"trainer.val_check_interval: {every} batches, but an epoch of data.train has "
                f"{batches}; set it to {batches} or less, or trainer.check_val_every_n_epoch to "
                "null to count on over epochs"
            )

    def fit(self, model: VisionThinkModule, **kwargs: Any) -> None:
        """Train, and write the report, of a run that stops early too."""
        with report_after(self.trainer):
            self.trainer.fit(model, **kwargs)

    def after_fit(self) -> None:
        """Print the number of steps and the checkpoint; warn where nothing was trained."""
        steps, batches = self.trainer.global_step, self._rollout().draw
        if steps == 0:
            rank_zero_warn(f"nothing was trained: no group of {batches} batches had signal")
        checkpoint = self.trainer.checkpoint_callback
        kept = checkpoint.best_model_path if isinstance(checkpoint, ModelCheckpoint) else ""
        if self.trainer.is_global_zero:
            ending = f"; checkpoint: {kept}" if kept else ""
            print(f"{steps} optimizer steps in {batches} rollout batches{ending}")
        if kept and self.trainer.is_global_zero:
            trainer, higher = self.trainer, ""
            if trainer.max_steps == steps:
                higher = " and a higher --trainer.max_steps"
            elif trainer.max_epochs == trainer.current_epoch:
                higher = " and a higher --trainer.max_epochs"
            print(f"To train on, add --ckpt_path last{higher}")

    def after_validate(self) -> None:
        """Report bad rows; ``fit`` does so when it ends."""
        self._rollout().screening.report()

    def _rollout(self) -> RolloutCallback:
        callbacks = self.trainer.callbacks  # type: ignore[attr-defined]
        return next(callback for callback in callbacks if isinstance(callback, RolloutCallback))

    def validate(self, model: VisionThinkModule, **kwargs: Any) -> None:
        with self._goes_on():
            self.trainer.validate(model, **kwargs)

    def test(self, model: VisionThinkModule, **kwargs: Any) -> None:
        with self._goes_on():
            self.trainer.test(model, **kwargs)

    def predict(self, model: VisionThinkModule, **kwargs: Any) -> None:
        """Write one JSON object per sample to ``predictions.jsonl`` in the log folder."""
        with self._goes_on() as progress:
            self.trainer.predict(model, **kwargs | {"return_predictions": False})
            ranks = gathered(progress.rows)
            file = log_folder(self.trainer) / "predictions.jsonl"  # all ranks must ask
            if self.trainer.is_global_zero:
                batches = [part for batch in zip(*ranks, strict=True) for part in batch]
                file.write_bytes(b"".join(line_of(row) for batch in batches for row in batch))
                print(f"predictions: {file}")

    @contextmanager
    def _goes_on(self) -> Iterator[EvaluationProgress]:
        """Within, an evaluation that is ended can go on."""
        progress = EvaluationProgress(self._settings)
        self.trainer.callbacks += [RunMark(), progress]  # type: ignore[attr-defined]
        yield progress
        progress.over(self.trainer)


def _plain(text: str) -> str:
    """Drop ``init_args``, which jsonargparse puts into keys of an optional dataclass."""
    return text.replace("model.lora.init_args.", "model.lora.")


def build_cli(args: ArgsType = None) -> VisionThinkCLI:
    """Parse ``args`` (by default the process's own), and run the verb that they name."""
    of_verbs = {verb: dict(PARSER_OPTIONS) for verb in LightningCLI.subcommands()}
    return VisionThinkCLI(
        VisionThinkModule,
        PromptDataModule,
        trainer_class=Trainer,
        trainer_defaults={"callbacks": [ComparisonTable()], **TRAINER_DEFAULTS},
        seed_everything_default=0,
        save_config_callback=RunConfig,
        save_config_kwargs={"overwrite": True},
        auto_configure_optimizers=False,
        parser_kwargs={**PARSER_OPTIONS, "prog": PROGRAM, **of_verbs},
        args=args,
    )


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process by default); return the exit code."""
    return shell_code(lambda: exit_code(lambda: _run(args)))


def _run(args: Sequence[str] | None) -> None:
    load_named(sys.argv[1:] if args is None else args)
    try:
        build_cli(None if args is None else list(args))
    except MisconfigurationException as error:
        raise ConfigError(str(error)) from error
