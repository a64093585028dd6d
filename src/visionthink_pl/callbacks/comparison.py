"""The table at the end of a fit: before and after, by kind of question."""

from __future__ import annotations

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table

COLUMNS = {
    "accuracy": "accuracy",
    "resize_rate": "resize rate",
    "visual_token_ratio": "visual tokens",
}


class ComparisonTable(Callback):
    """Prints validation before training against the last one after it.

    "Before" is the validation that ran outside ``fit``; a run that is resumed has none, and its
    first validation takes that place under its own name. Visual tokens are those used over
    those of one full look.
    """

    def __init__(self) -> None:
        self.validations: list[tuple[str, dict[str, float]]] = []

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        name = f"step {trainer.global_step}" if trainer.state.fn == "fit" else "before"
        values = {
            key.removeprefix("val/"): float(value)
            for key, value in trainer.callback_metrics.items()
            if key.startswith("val/")
        }
        self.validations.append((name, values))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero and len(self.validations) > 1:
            Console().print(self.table())

    def table(self) -> Table:
        """First validation against last, a row a kind."""
        (first, before), (last, after) = self.validations[0], self.validations[-1]
        table = Table(title=f"Validation, greedy: {first} \N{RIGHTWARDS ARROW} {last}")
        table.add_column("question")
        for title in COLUMNS.values():
            table.add_column(title, justify="right")
        for kind in _kinds(after):
            cells = [_cell(before, after, metric, kind) for metric in COLUMNS]
            table.add_row(kind or "all", *cells, end_section=not kind)
        return table


def _kinds(values: dict[str, float]) -> list[str]:
    """The empty kind stands for all samples; the rest in the order in which they were logged."""
    return [
        key.removeprefix("accuracy").removeprefix("/")
        for key in values
        if key.startswith("accuracy")
    ]


def _cell(before: dict[str, float], after: dict[str, float], metric: str, kind: str) -> str:
    key = f"{metric}/{kind}" if kind else metric
    if key not in before or key not in after:
        return "\N{EM DASH}"
    return f"{before[key]:.2f} \N{RIGHTWARDS ARROW} {after[key]:.2f}"
