"""Curves, tables and pictures from the metrics that the runs logged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 (the backend comes first)

KIND_GROUPS = {
    "small print (digit, letter)": ("digit", "letter"),
    "mixed, print small": ("needs_second_look",),
    "mixed, print large": ("first_look_suffices",),
    "large shapes (colour, shape, count)": ("colour", "shape", "count"),
}
COLOURS = ("#b2182b", "#ef8a62", "#67a9cf", "#2166ac")
TITLES = {
    "quickstart": "fading (quickstart)",
    "accuracy": "in full, by accuracy",
    "no_penalty": "no penalty",
    "every_call": "penalty on every call",
    "eq5_share": "Eq. 5: share, theta 0.2",
}
LAST = 20  # rollout batches that the sampled rate at the end is averaged over
SMOOTHING = 5  # batches of the rolling mean in the picture


def write_report(work: Path, out: Path, runs: Sequence[str], seeds: Sequence[int]) -> None:
    """Write ``curves.csv``, ``validation.csv``, ``ends.csv`` and ``resize_rate.png``."""
    out.mkdir(parents=True, exist_ok=True)
    logs = {
        (run, seed): pd.read_csv(work / f"{run}-{seed}" / "metrics.csv")
        for run in runs
        for seed in seeds
    }
    curves(logs).to_csv(out / "curves.csv", index=False, float_format="%.4f")
    validation(logs).to_csv(out / "validation.csv", index=False, float_format="%.4f")
    table = ends(logs)
    table.to_csv(out / "ends.csv", index=False, float_format="%.3f")
    print(table.to_string(index=False, float_format="{:.2f}".format))
    draw(curves(logs), out / "resize_rate.png")


def curves(logs: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Sampled resize rate of every batch, by kind group: run, seed, step, group, rate."""
    rows = []
    for (run, seed), log in logs.items():
        steps = log.dropna(subset=["rollout_step"])
        for group, kinds in KIND_GROUPS.items():
            rate = steps[[f"train/resize_rate/{kind}" for kind in kinds]].mean(axis=1)
            for step, value in zip(steps["rollout_step"], rate, strict=True):
                rows.append((run, seed, int(step), group, value))
    return pd.DataFrame(rows, columns=["run", "seed", "step", "group", "resize_rate"])


def validation(logs: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Greedy validation before and after: run, seed, when, metric, kind, value."""
    rows = []
    for (run, seed), log in logs.items():
        columns = [column for column in log.columns if column.startswith("val/")]
        evaluated = log.dropna(subset=["val/accuracy"])
        for when, row in (("before", evaluated.iloc[0]), ("after", evaluated.iloc[-1])):
            for column in columns:
                _, metric, *kind = column.split("/")
                rows.append((run, seed, when, metric, kind[0] if kind else "all", row[column]))
    return pd.DataFrame(rows, columns=["run", "seed", "when", "metric", "kind", "value"])


def ends(logs: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """One row a run: accuracy, greedy and sampled resize rates at the end, seconds of training."""
    rows = []
    for (run, seed), log in logs.items():
        after = log.dropna(subset=["val/accuracy"]).iloc[-1]
        steps = log.dropna(subset=["rollout_step"])
        row: dict[str, object] = {"run": run, "seed": seed, "accuracy": after["val/accuracy"]}
        for group, kinds in KIND_GROUPS.items():
            row[f"greedy: {group}"] = after[[f"val/resize_rate/{k}" for k in kinds]].mean()
        for group, kinds in KIND_GROUPS.items():
            sampled = steps[[f"train/resize_rate/{k}" for k in kinds]].tail(LAST)
            row[f"sampled: {group}"] = sampled.mean().mean()
        row["steps"] = len(steps)
        row["training_s"] = steps[["time/rollout_s", "time/update_s"]].sum().sum()
        rows.append(row)
    return pd.DataFrame(rows)


def draw(data: pd.DataFrame, path: Path) -> None:
    """One panel a run, one line a seed and kind group."""
    runs = list(dict.fromkeys(data["run"]))
    figure, axes = plt.subplots(
        1, len(runs), figsize=(3.4 * len(runs) + 0.6, 3.4), sharey=True, squeeze=False
    )
    for axis, run in zip(axes[0], runs, strict=True):
        for colour, group in zip(COLOURS, KIND_GROUPS, strict=True):
            lines = data[(data["run"] == run) & (data["group"] == group)]
            for index, (_, line) in enumerate(lines.groupby("seed")):
                smooth = line["resize_rate"].rolling(SMOOTHING, min_periods=1).mean()
                label = group if index == 0 else None
                axis.plot(line["step"], smooth, color=colour, alpha=0.8, lw=1.2, label=label)
        axis.set(title=TITLES[run], xlabel="rollout batch", ylim=(-0.03, 1.03))
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.3)
    axes[0][0].set_ylabel("resize rate, sampled")
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), loc="lower center", ncols=4, frameon=False
    )
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(path, dpi=130)
    plt.close(figure)
