"""The page: one HTML file with its style, scripts and data; nothing else runs in it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from visionthink_pl import __version__
from visionthink_pl.commands.report.before_after import BeforeAfter
from visionthink_pl.commands.report.charts import Chart
from visionthink_pl.commands.report.modes_tables import TextTable
from visionthink_pl.commands.report.shown_groups import as_json
from visionthink_pl.types.readable import readable

ASSETS = Path(__file__).parent / "assets"
CHARTS_SCRIPTS = ("text.js", "charts.js")
TRAJECTORIES_SCRIPTS = ("text.js", "matching.js", "trajectory.js", "browser.js")


@dataclass(frozen=True)
class Content:
    """What a page shows.

    Attributes:
        title: of the page.
        facts: one line about the run.
        before_after: the first and the last validation.
        curves: charts of training.
        modes: charts of an evaluation.
        tables: of an evaluation.
        groups: trajectories, each group as JSON.
        images: data URLs by the file names in the groups.
        notes: what of the trajectories is shown and what is not.
    """

    title: str
    facts: Sequence[str]
    before_after: BeforeAfter | None
    curves: Sequence[Chart]
    modes: Sequence[Chart]
    tables: Sequence[TextTable]
    groups: Sequence[str]
    images: Mapping[str, str]
    notes: Sequence[str]


def render(content: Content) -> str:
    """The whole page as HTML."""
    charts = [chart.figure for chart in (*content.modes, *content.curves)]
    scripts = []
    if content.groups:
        scripts.append(_together(TRAJECTORIES_SCRIPTS))
    if charts:
        scripts += [_as_in_a_page(get_plotlyjs()), _together(CHARTS_SCRIPTS)]
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
        content=content,
        version=__version__,
        policy=_policy(scripts),
        style=_asset("page.css"),
        trajectories=_data(content),
        charts=as_json(charts),
        scripts=scripts,
    )


def _shown(value: Any) -> Any:
    """What the template shows; markup of our own is left as it is."""
    return readable(value) if type(value) is str else value


def _policy(scripts: Sequence[str]) -> str:
    """Scripts run by their hash alone, and nothing is fetched. Styles are open: plotly makes some;
    data is never a style, and could load nothing by one."""
    hashes = [b64encode(sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _data(content: Content) -> str:
    start = as_json({"evaluation": bool(content.tables), "images": content.images})
    return f'{start[:-1]},"groups":[{",".join(content.groups)}]}}'


def _together(names: Sequence[str]) -> str:
    """Scripts as one, whose names stay their own."""
    return '"use strict";\n{\n' + "\n".join(map(_asset, names)) + "}\n"


def _asset(name: str) -> str:
    return _as_in_a_page((ASSETS / name).read_text(encoding="utf-8"))


def _as_in_a_page(text: str) -> str:
    """As a browser reads it, whose line ends are all the same: the hash is of that."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
