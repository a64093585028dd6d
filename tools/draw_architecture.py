"""Draws the rooms of the package and which imports which, from the source.

    python tools/draw_architecture.py --out docs/architecture.png

Each room stands above those that it imports. An arrow is left out where a longer way says the same.
"""

from __future__ import annotations

import argparse
import ast
from collections import defaultdict
from pathlib import Path

import matplotlib
import networkx as nx

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 (the backend comes first)

PACKAGE = Path(__file__).parents[1] / "src" / "visionthink_pl"
INK, PAPER, LINE = "#1f2937", "#eef2f7", "#64748b"


def rooms() -> dict[str, list[Path]]:
    """Each room's files."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        room = file.relative_to(PACKAGE).parts[0]
        if not room.endswith(".py"):
            found[room].append(file)
    return found


def imported(file: Path) -> set[str]:
    """Rooms that a file imports from."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts[0] == PACKAGE.name and len(parts) > 1:
                names.add(parts[1])
    return names


def graph(files: dict[str, list[Path]]) -> nx.DiGraph:
    """An edge from each room to each that it imports."""
    out = nx.DiGraph()
    out.add_nodes_from(files)
    for room, own in files.items():
        out.add_edges_from((room, other) for file in own for other in imported(file) - {room})
    return out


def summary(room: str) -> str:
    """The first sentence of a room's docstring."""
    text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8"))) or ""
    return text.split("\n")[0].split(". ")[0].rstrip(".").replace("``", "")


def draw(out: Path) -> None:
    files = rooms()
    edges = graph(files)
    layers = list(nx.topological_generations(edges))
    figure, axes = plt.subplots(figsize=(11, 1.25 * len(layers)))
    axes.set(xlim=(0, 1), ylim=(-len(layers) + 0.4, 0.6))
    axes.axis("off")
    place = {}
    for row, layer in enumerate(layers):
        for column, room in enumerate(sorted(layer)):
            place[room] = ((column + 0.5) / len(layer), -row)
    boxes = {}
    for room, (x, y) in place.items():
        lines = sum(len(file.read_text("utf-8").splitlines()) for file in files[room])
        text = f"{room}  ({len(files[room])} files, {lines:,} lines)\n{wrapped(summary(room))}"
        box = {"boxstyle": "round,pad=0.45", "facecolor": PAPER, "edgecolor": LINE}
        boxes[room] = axes.text(
            x, y, text, ha="center", va="center", fontsize=8, color=INK, bbox=box, zorder=2
        )
    figure.canvas.draw()  # boxes have their sizes from here on
    to_data = axes.transData.inverted()
    extents = {
        room: to_data.transform(box.get_bbox_patch().get_window_extent())  # lower left, upper right
        for room, box in boxes.items()
    }
    for room, other in nx.transitive_reduction(edges).edges:
        start, end = (place[room][0], extents[room][0][1]), (place[other][0], extents[other][1][1])
        arrow = {"arrowstyle": "-|>", "color": LINE, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", xy=end, xytext=start, arrowprops=arrow, zorder=1)
    figure.savefig(out, dpi=130, bbox_inches="tight", facecolor="white")


def wrapped(text: str, width: int = 44) -> str:
    """The text in lines of about this many characters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    draw(parser.parse_args().out)
