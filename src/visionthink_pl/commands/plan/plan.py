"""``python -m visionthink_pl plan --config X.yaml``: memory and FLOPs that training would need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace
from lightning import Trainer
from lightning.pytorch.cli import LightningArgumentParser
from rich.console import Console

from visionthink_pl.callbacks import Alarms, PhaseProgressBar, RolloutCallback, TrajectoryLog
from visionthink_pl.commands.parsing.verbs import PROMPT_TOKENS, STDOUT
from visionthink_pl.commands.plan.advice import Advice, advise
from visionthink_pl.commands.plan.cards import CARD_EXPECTED, Card
from visionthink_pl.commands.plan.estimate import estimate
from visionthink_pl.commands.plan.plan_report import Report
from visionthink_pl.commands.plan.setup import Demand, Setup
from visionthink_pl.commands.precision import full_name
from visionthink_pl.commands.verb import built, checked, exit_code, new_parser, parsed
from visionthink_pl.data import PromptDataModule
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.types import ConfigError

DOES_NOT_FIT = 3  # exit code


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process by default); return the exit code."""
    reports: list[Report] = []
    code = exit_code(lambda: reports.append(run(args)))
    return DOES_NOT_FIT if code == 0 and reports[0].fits is False else code


def run(args: Sequence[str] | None) -> Report:
    """Parse, estimate, print.

    Raises:
        ConfigError: something in the config can't work.
    """
    config = parse(checked("plan", args))
    card = Card.here() if config.gpu is None else Card.parse(config.gpu)
    demand = Demand(config.prompt_tokens, config.ask_rate, config.looks)
    module, rollout = build(config)
    setup = Setup.of(
        module,
        rollout,
        prompts_of(config),
        full_name(config.trainer.precision),
        demand,
        card is not None,
    )
    found = estimate(setup)
    fits = card is None or found.peak <= card.usable
    advice = Advice() if fits or card is None else advise(setup, found, card.usable)
    report = Report(setup, found, card, advice)
    if config.json == STDOUT:
        print(report.as_json())
    else:
        report.show(Console())
        if config.json:
            Path(config.json).write_text(f"{report.as_json()}\n", encoding="utf-8")
    return report


def build_parser() -> LightningArgumentParser:
    """The parser: options of ``fit``, and the plan's own."""
    parser = new_parser("plan", LightningArgumentParser)
    parser.add_argument("--config", action="config", help="YAML file, as for fit.")
    parser.add_argument(
        "--gpu",
        type=str | None,
        help="A card: its memory, such as 24GB, or its name, such as 4090.",
    )
    parser.add_argument(
        "--prompt-tokens",
        type=int | None,
        help="Text tokens of a prompt; by default as many as rollout.max_prompt_tokens leaves, "
        f"or {PROMPT_TOKENS}.",
    )
    parser.add_argument(
        "--ask-rate", type=float, default=1.0, help="Share of rollouts that call a tool."
    )
    parser.add_argument(
        "--looks",
        type=int | None,
        help="Calls of each of them that show something; by default as many as it has turns for.",
    )
    parser.add_argument(
        "--json", nargs="?", const=STDOUT, help="Figures as JSON, in place of the table or in FILE."
    )
    parser.add_argument("--seed_everything", type=bool | int, default=0)
    parser.add_argument("--ckpt_path", type=str | None)
    _add_built(parser)
    parser.add_lightning_class_args(PromptDataModule, "data")
    parser.add_lightning_class_args(TrajectoryLog, "trajectories")
    parser.add_lightning_class_args(Alarms, "alarms")
    parser.add_lightning_class_args(PhaseProgressBar, "progress")
    parser.add_lightning_class_args(Trainer, "trainer")
    return parser


def _add_built(parser: LightningArgumentParser) -> None:
    parser.add_lightning_class_args(VisionThinkModule, "model")
    parser.add_lightning_class_args(RolloutCallback, "rollout")


def parse(given: Sequence[str]) -> Namespace:
    """Parse arguments, and check that the file of ``--json`` can be written.

    Raises:
        ConfigError: they can't be parsed, or it can't be written.
    """
    try:
        config = parsed(build_parser(), given)
    except ConfigError as error:
        if "--gpu: expected one argument" in str(error):  # nothing, or -5GB
            raise ConfigError(f"--gpu: {CARD_EXPECTED}") from error
        raise
    if config.json not in (None, STDOUT):
        _check_file(Path(config.json))
    return config


def _check_file(file: Path) -> None:
    if file.is_dir():
        raise ConfigError(f"--json: {str(file)!r} is a folder; name a file")
    if not file.parent.is_dir():
        raise ConfigError(f"--json: there is no folder {str(file.parent)!r} to write it in")


def build(config: Namespace) -> tuple[VisionThinkModule, RolloutCallback]:
    """Build what memory depends on; not data, rewards or filters.

    Raises:
        ConfigError: a class refuses its options; the message gives their key in the config.
    """
    needed = Namespace(model=config.model, rollout=config.rollout).clone()
    needed.rollout.rewards = needed.rollout.filters = None
    parser = LightningArgumentParser()
    _add_built(parser)
    objects = built(lambda: parser.instantiate(needed), config.as_dict())
    return objects.model, objects.rollout


def prompts_of(config: Namespace) -> int:
    """Prompts that one device rolls out in a step."""
    devices = config.trainer.devices
    ranks = devices * config.trainer.num_nodes if isinstance(devices, int) and devices > 0 else 1
    return -(-config.data.prompts_per_step // ranks)
