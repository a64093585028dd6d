"""``python -m visionthink_pl export --ckpt X --out DIR [--merge]``."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jsonargparse import ArgumentParser
from rich.console import Console
from rich.table import Table
from safetensors.torch import save_file

from visionthink_pl.commands.export.card import write_card
from visionthink_pl.commands.export.carried_config import write_config
from visionthink_pl.commands.export.find import find_run
from visionthink_pl.commands.export.layout import (
    CONVERSATION,
    conversation,
    generation_config,
    write_conversation,
    write_processor,
)
from visionthink_pl.commands.export.merge import Merged, merge
from visionthink_pl.commands.export.trained import (
    WEIGHTS,
    Trained,
    read_trained,
    refuse_no_checkpoint,
)
from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.commands.verb import checked, exit_code, new_parser, parsed
from visionthink_pl.types import ConfigError


@dataclass(frozen=True)
class Options:
    """Write a trained policy as plain transformers and PEFT load it.

    Args:
        ckpt: a checkpoint (``name.ckpt``), or the folder of an adapter.
        out: folder to write; must be new or empty.
        merge: write whole weights in place of an adapter. Where all weights were trained they are
            written whole anyway.
        config: the run's ``config.yaml``; by default beside the checkpoint or in the folder above.
        pretrained: the base; by default the one in the run's config.
    """

    ckpt: str
    out: str
    merge: bool = False
    config: str | None = None
    pretrained: str | None = None


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process by default); return the exit code."""
    return exit_code(lambda: export(parse(args), Console()))


def parse(args: Sequence[str] | None) -> Options:
    """Parse the command line.

    Raises:
        ConfigError: it can't be parsed.
    """
    given, parser = checked("export", args), new_parser("export", ArgumentParser)
    parser.add_class_arguments(Options, skip={"merge"})
    parser.add_argument(
        "--merge", action="store_true", help="Write whole weights in place of an adapter."
    )
    return Options(**parsed(parser, given).as_dict())


def export(options: Options, console: Console) -> None:
    """Write the folder, complete or not at all.

    Raises:
        ConfigError: the checkpoint, its run or the base can't be found or don't fit each other;
            or ``out`` isn't empty or can't be written.
    """
    ckpt, out = Path(options.ckpt), Path(options.out).resolve()
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ConfigError(f"out: {options.out!r} is not empty; name a new folder")
    refuse_no_checkpoint(ckpt)
    run = find_run(ckpt, options.config, options.pretrained)
    trained = read_trained(ckpt, run)
    part = _beside(out)
    try:
        merged = merge(trained, run) if options.merge or trained.adapter is None else None
        _write(run, trained, merged, part)
        _move(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _show(run, merged, out, console)


def _beside(out: Path) -> Path:
    """Make a folder beside ``out``, before merging, so that a failure costs no work."""
    part = out.with_name(f".{out.name}.part")
    try:
        if part.is_dir():
            shutil.rmtree(part)
        part.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(
            f"out: can't make {str(part)!r}, the folder that is written first: {error.strerror}"
        ) from error
    return part


def _move(part: Path, out: Path) -> None:
    """Move files into an existing folder, not over it: it may be the shell's working directory."""
    if not out.is_dir():
        part.rename(out)
        return
    for file in part.iterdir():
        shutil.move(file, out / file.name)


def _write(run: Run, trained: Trained, merged: Merged | None, out: Path) -> None:
    if merged is None:
        _write_adapter(run, trained, out)
    else:
        merged.model.generation_config = generation_config(run)
        merged.model.save_pretrained(out)
    generation_config(run).save_pretrained(out)
    write_processor(run, out)
    texts = conversation(run, merged is not None)
    write_conversation(run, texts, out)
    write_config(run, out)
    write_card(run, trained, merged, texts, out)
    _share_mode(out)


def _share_mode(out: Path) -> None:
    """Give weights the mode of other files; safetensors lets only the owner read them."""
    mode = (out / CONVERSATION).stat().st_mode
    for file in out.glob("*.safetensors"):
        file.chmod(mode)


def _write_adapter(run: Run, trained: Trained, out: Path) -> None:
    assert trained.adapter is not None
    trained.adapter.base_model_name_or_path = run.base
    trained.adapter.inference_mode = True
    trained.adapter.save_pretrained(str(out))
    save_file(dict(trained.tensors), out / WEIGHTS, metadata={"format": "pt"})


def _show(run: Run, merged: Merged | None, out: Path, console: Console) -> None:
    where = "not found" if run.config_file is None else str(run.config_file)
    console.print(f"config of the run: {where}", markup=False, highlight=False, soft_wrap=True)
    table = Table("file", "kB", box=None)
    table.columns[1].justify = "right"
    for file in sorted(out.iterdir()):
        table.add_row(file.name, f"{file.stat().st_size / 1000:,.1f}")
    console.print(table)
    if merged is not None:
        dtype = str(run.dtype).removeprefix("torch.")
        for what, found in (
            (f"trained weights, rounded to {dtype}", merged.weights),
            ("log-probabilities of a made-up answer, in nats", merged.logprobs),
        ):
            line = f"{what}: differ by {found.largest:.2g} at most, {found.mean:.2g} in the mean"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(str(out), markup=False, highlight=False, soft_wrap=True)
