"""Prints the plan as a table and a verdict, or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from visionthink_pl.commands.plan.advice import Advice, Combination
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
    """The results of a plan.

    Attributes:
        setup: of the step.
        found: the estimate.
        card: the GPU named or found, if any.
        advice: changes that make the step fit, where it does not.
    """

    setup: Setup
    found: Estimate
    card: Card | None
    advice: Advice = Advice()  # noqa: RUF009 (frozen)

    @property
    def fits(self) -> bool | None:
        """Whether the step fits the card; ``None`` without one."""
        return None if self.card is None else self.found.peak <= self.card.usable

    def show(self, console: Console) -> None:
        """Print it."""
        console.print(self._memory())
        text, visual = (self.found.prompt_tokens[kind] for kind in ("text", "visual"))
        console.print(
            f"Assumed per prompt: one image of {self.setup.max_pixels:,} pixels, "
            f"{text:,} text tokens, {visual:,} visual tokens at the first look.",
            highlight=False,
        )
        work = ", ".join(f"{count:,} {name}" for name, count in self.found.tokens.items())
        console.print(f"Tokens a step: {work}.", highlight=False)
        flops = ", ".join(f"{name} {n / 1e12:,.1f}" for name, n in self.found.flops.items() if n)
        total = sum(self.found.flops.values()) / 1e12
        console.print(f"TFLOPs a step: {total:,.1f} ({flops}).", highlight=False)
        if self.found.uncounted:
            console.print(
                f"The optimizer's state is not counted ({self.found.uncounted}).", highlight=False
            )
        console.print(self.verdict(), highlight=False)

    def _memory(self) -> Table:
        """One row per kind, one column per phase, in GiB, within 80 characters. Kinds that are zero
        everywhere get no row."""
        table = Table(
            title="GiB in use where each phase needs most",
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=0,
            show_edge=False,
        )
        table.add_column("", no_wrap=True)
        for phase in self.found.phases:
            style = "bold" if phase == self.found.phase else None
            table.add_column(
                phase.replace(" ", "\n"), justify="right", style=style, vertical="bottom"
            )
        columns = list(self.found.phases.values())
        for kind in KINDS:
            if any(most[kind] for most in columns):
                table.add_row(kind, *(f"{most[kind] / GIB:.2f}" for most in columns))
        table.add_section()
        table.add_row("total", *(f"{most.total() / GIB:.2f}" for most in columns))
        return table

    def verdict(self) -> str:
        """Whether the step fits, by how much, and what would make it fit."""
        peak = f"{self.found.peak / GIB:.1f} GiB ({self.found.phase})"
        if self.card is None:
            return f"A step needs {peak}. No GPU was found; name one, such as --gpu 24GB."
        usable = f"{self.card.usable / GIB:.1f} GiB usable on {self.card.name}"
        left = (self.card.usable - self.found.peak) / GIB
        if self.fits:
            return f"It fits: a step needs {peak}, {left:.1f} less than the {usable}."
        text = f"It does not fit: a step needs {peak}, {-left:.1f} more than the {usable}."
        return f"{text} {self._ways()}"

    def _ways(self) -> str:
        if together := self.advice.together:
            return self._together(together)
        ways = "; ".join(
            f"{change.key}: {change.value} ({change.peak / GIB:.1f} GiB)"
            for change in self.advice.changes
        )
        return f"Any one of these suffices: {ways}."

    def _together(self, together: Combination) -> str:
        settings = ", ".join(f"{key}={value}" for key, value in together.settings.items())
        peak = f"{together.peak / GIB:.1f} GiB"
        if together.fits:
            return f"No single change suffices; together: {settings} ({peak})."
        least = (
            f"Not even {settings} together suffices" if settings else "No setting can be lowered"
        )
        return (
            f"{least} ({peak}, {together.weights / GIB:.1f} of them weights): use a smaller model."
        )

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
            "uncounted": found.uncounted,
            "card": self.card and {"name": self.card.name, "usable_bytes": int(self.card.usable)},
            "fits": self.fits,
            **asdict(self.advice),
        }
        return json.dumps(figures, indent=2)
