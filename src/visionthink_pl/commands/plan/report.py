"""The plan as a table, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from visionthink_pl.commands.plan.advice import Change
from visionthink_pl.commands.plan.cards import GIB, Card
from visionthink_pl.commands.plan.estimate import Estimate
from visionthink_pl.commands.plan.setup import Setup

KINDS = (
    "weights",
    "adapters",
    "gradients",
    "optimizer",
    "KV cache",
    "features",
    "activations",
    "logits",
)


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        setup: what was asked about.
        found: what a step needs.
        card: the GPU that it should fit on, if one is named or there.
        changes: each of which alone would make it fit.
    """

    setup: Setup
    found: Estimate
    card: Card | None
    changes: list[Change]

    @property
    def fits(self) -> bool | None:
        """Whether the step fits; ``None`` without a card."""
        return None if self.card is None else self.found.peak <= self.card.usable

    def show(self, console: Console) -> None:
        """Print it."""
        console.print(self._memory())
        text, visual = (self.found.prompt_tokens[kind] for kind in ("text", "visual"))
        console.print(
            f"Assumed of each prompt: one image of {self.setup.max_pixels:,} pixels, "
            f"{text:,} text tokens, {visual:,} visual tokens at the first look.",
            highlight=False,
        )
        work = ", ".join(f"{count:,} {name}" for name, count in self.found.tokens.items())
        console.print(f"Tokens a step: {work}.", highlight=False)
        flops = ", ".join(f"{name} {n / 1e12:,.1f}" for name, n in self.found.flops.items() if n)
        total = sum(self.found.flops.values()) / 1e12
        console.print(f"TFLOPs a step: {total:,.1f} ({flops}).", highlight=False)
        console.print(self.verdict(), highlight=False)

    def _memory(self) -> Table:
        """A row a phase, in GiB."""
        table = Table(
            title="GiB in use where each phase needs most", title_justify="left", box=SIMPLE
        )
        table.add_column("", no_wrap=True)
        for kind in (*KINDS, "in all"):
            table.add_column(kind, justify="right")
        for phase, most in self.found.phases.items():
            sizes = [*(most[kind] for kind in KINDS), most.total()]
            mark = "bold" if phase == self.found.phase else None
            table.add_row(phase, *(f"{size / GIB:.2f}" for size in sizes), style=mark)
        return table

    def verdict(self) -> str:
        """Whether it fits, with how much room, and what would make it fit."""
        peak = f"{self.found.peak / GIB:.1f} GiB ({self.found.phase})"
        if self.card is None:
            return f"A step needs {peak}. No GPU is named or found: --gpu 24GB would judge."
        usable = f"{self.card.usable / GIB:.1f} GiB usable of {self.card.name}"
        left = (self.card.usable - self.found.peak) / GIB
        if self.fits:
            return f"It fits: a step needs {peak}, {left:.1f} less than the {usable}."
        text = f"It does not fit: a step needs {peak}, {-left:.1f} more than the {usable}."
        if not self.changes:
            return f"{text} No single change would do; start with 4 bits and checkpointing."
        ways = "; ".join(
            f"{change.key}: {change.value} ({change.peak / GIB:.1f} GiB)" for change in self.changes
        )
        return f"{text} Any one of these would do: {ways}."

    def as_json(self) -> str:
        """Bytes, FLOPs and tokens."""
        found = self.found
        figures = {
            "peak_bytes": found.peak,
            "peak_phase": found.phase,
            "phases": found.phases,
            "flops": found.flops,
            "tokens": found.tokens,
            "prompt_tokens": found.prompt_tokens,
            "card": self.card and {"name": self.card.name, "usable_bytes": int(self.card.usable)},
            "fits": self.fits,
            "changes": [asdict(change) for change in self.changes],
        }
        return json.dumps(figures, indent=2)
