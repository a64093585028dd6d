"""Where each run of the collapse map ended: a table of all runs, and one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 (the backend comes first)

FINE = ("digit", "letter", "needs_second_look")
COARSE = ("colour", "shape", "count", "first_look_suffices")
LAST = 10  # rollout batches that the sampled rates at the end are averaged over
SMART = (0.9, 0.1)  # at least of the fine, at most of the coarse, decoded greedily
COLOURS = ("#2166ac", "#b2182b")


def read_ends(work: Path, ways: Sequence[str]) -> pd.DataFrame:
    """One row for each run that is there: way, start, seed, greedy and sampled rates at the end."""
    rows = []
    for way in ways:
        for done in sorted((work / way).glob("*/done")):
            rate, _, seed = done.parent.name.rpartition("-")
            rows.append({"way": way, "start": float(rate), "seed": int(seed), **_end(done.parent)})
    return pd.DataFrame(rows).sort_values(["way", "start", "seed"])


def _end(folder: Path) -> dict[str, float]:
    log = pd.read_csv(folder / "metrics.csv")
    steps, after = log.dropna(subset=["rollout_step"]), log.dropna(subset=["val/accuracy"]).iloc[-1]
    out: dict[str, float] = {"accuracy": after["val/accuracy"]}
    for name, kinds in (("fine", FINE), ("coarse", COARSE)):
        out[f"greedy_{name}"] = after[[f"val/resize_rate/{kind}" for kind in kinds]].mean()
        sampled = steps[[f"train/resize_rate/{kind}" for kind in kinds]].mean(axis=1)
        out[f"sampled_{name}"], out[f"first_{name}"] = sampled.tail(LAST).mean(), sampled.iloc[0]
    out["smart"] = out["greedy_fine"] >= SMART[0] and out["greedy_coarse"] <= SMART[1]
    return out


def table(ends: pd.DataFrame, ways: Sequence[str]) -> str:
    """Runs that ended smart, of those that there are, by way and start, in Markdown."""
    starts = sorted(ends["start"].unique())
    lines = ["| way | " + " | ".join(f"{start:g}" for start in starts) + " | all |"]
    lines.append("|---" * (len(starts) + 2) + "|")
    for way in ways:
        own = ends[ends["way"] == way]
        cells = [_share(own[own["start"] == start]["smart"]) for start in starts]
        lines.append(f"| `{way}` | {' | '.join(cells)} | {_share(own['smart'])} |")
    return "\n".join(lines)


def _share(smart: pd.Series) -> str:
    return f"{int(smart.sum())} of {len(smart)}" if len(smart) else ""


def draw(work: Path, ways: Sequence[str], titles: dict[str, str], file: Path) -> None:
    """A panel for each way and start: sampled rates over batches, fine and coarse, each seed."""
    starts = sorted({float(f.name.rpartition("-")[0]) for w in ways for f in (work / w).iterdir()})
    figure, panels = plt.subplots(
        len(ways), len(starts), figsize=(2.3 * len(starts), 1.9 * len(ways)), squeeze=False,
        sharex=True, sharey=True,
    )  # fmt: skip
    for row, way in zip(panels, ways, strict=True):
        for panel, start in zip(row, starts, strict=True):
            _panel(panel, sorted((work / way).glob(f"{start}-*/done")))
        row[0].set_ylabel(titles[way], fontsize=8)
    for panel, start in zip(panels[0], starts, strict=True):
        panel.set_title(f"calls at the start: {start:g}", fontsize=9)
    for panel in panels[-1]:
        panel.set_xlabel("rollout batch", fontsize=8)
    lines = [plt.Line2D([], [], color=colour) for colour in COLOURS]
    figure.legend(
        lines, ["the second look is needed", "the first look suffices"], loc="upper center",
        ncol=2, frameon=False,
    )  # fmt: skip
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.35 / (1.9 * len(ways))))
    figure.savefig(file, dpi=130)
    plt.close(figure)


def _panel(panel: plt.Axes, runs: Sequence[Path]) -> None:
    for done in runs:
        log = pd.read_csv(done.parent / "metrics.csv").dropna(subset=["rollout_step"])
        for kinds, colour in zip((FINE, COARSE), COLOURS, strict=True):
            rate = log[[f"train/resize_rate/{kind}" for kind in kinds]].mean(axis=1)
            smooth = rate.rolling(3, min_periods=1).mean()
            panel.plot(log["rollout_step"], smooth, color=colour, linewidth=1, alpha=0.8)
    panel.set_ylim(-0.03, 1.03)
    panel.tick_params(labelsize=7)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
