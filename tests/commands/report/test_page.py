"""The page is one file in which only its own scripts run."""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest

from report_helpers import HOSTILE
from visionthink_pl.commands.report.before_after import BeforeAfter, FigureChange
from visionthink_pl.commands.report.charts import Chart
from visionthink_pl.commands.report.modes_tables import TextTable
from visionthink_pl.commands.report.report_page import ASSETS, Content, render
from visionthink_pl.commands.report.shown_groups import as_json
from visionthink_pl.types.readable import readable

FIGURE: dict[str, Any] = {"data": [], "layout": {}}


def content(text: str = "words") -> Content:
    """All sections, with a text wherever text can be."""
    return Content(
        title=text,
        facts=[text],
        before_after=BeforeAfter(text, text, [text], {"all": [FigureChange(text, text)], text: []}),
        curves=[Chart(text, text, FIGURE | {"title": text})],
        modes=[Chart(text, text, FIGURE)],
        tables=[TextTable(text, [text], [[text]])],
        groups=[as_json({"question": text})],
        images={text: text},
        notes=[text],
    )


class Seen(HTMLParser):
    """Elements, their attributes and the content of scripts, as a browser would read them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: list[tuple[Mapping[str, str | None], str]] = []
        self.text = ""
        self._within = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name) for name, _ in attrs]
        self._within = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            attributes, before = self.scripts[-1]
            self.scripts[-1] = (attributes, before + data)
        else:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._within = ""


def policy(page: str) -> str:
    (found,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    return found.replace("&#39;", "'")


def test_the_policy_names_each_script_by_its_hash_and_nothing_else() -> None:
    page = render(content())
    run = [text for attributes, text in Seen(page).scripts if not attributes]
    data = [text for attributes, text in Seen(page).scripts if attributes]
    assert len(run) == 3  # of the trajectories, plotly, of the charts
    assert any("plotly.js v" in text[:200] for text in run)
    hashes = {f"'sha256-{b64encode(sha256(t.encode()).digest()).decode()}'" for t in run}
    rules = dict(rule.strip().split(" ", 1) for rule in policy(page).split(";"))
    assert set(rules["script-src"].split()) == hashes
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    assert len(data) == 2 and all(json.loads(text) for text in data)
    assert page.index("Content-Security-Policy") < page.index("<style") < page.index("<script")


def test_what_is_not_needed_is_not_there() -> None:
    nothing = Content("empty", [], None, [], [], [], [], {}, [])
    page = render(nothing)
    assert len(page) < 30_000 and "script-src 'none'" in policy(page)
    assert "None were written" in page and 'id="validation-title"' not in page
    assert Seen(page).scripts == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_adds_no_element_and_no_attribute(text: str) -> None:
    plain, hostile = Seen(render(content())), Seen(render(content(text)))
    assert hostile.tags == plain.tags
    assert hostile.attributes == plain.attributes
    assert readable(text) in hostile.text
    trajectories = json.loads(hostile.scripts[0][1])
    assert trajectories["groups"] == [{"question": text}] and trajectories["images"] == {text: text}
    assert [body for _, body in hostile.scripts[2:]] == [body for _, body in plain.scripts[2:]]


READABLE = [
    ("plain, ünï\u200dcode 你好 \U0001f680", "plain, ünï\u200dcode 你好 \U0001f680"),
    ("a\nb\x00\u202e\ud800", "a[U+000A]b[U+0000][U+202E][U+D800]"),
]


@pytest.mark.parametrize(("text", "shown"), READABLE)
def test_what_cannot_be_seen_is_shown_by_its_code(text: str, shown: str) -> None:
    assert readable(text) == shown


# Ways to make markup or code of text, or to ask for something elsewhere.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|DOMParser|fetch\(|"
    r"XMLHttpRequest|import\(|setTimeout\(\s*[\"'`]|https?://(?!www\.w3\.org/2000/svg)|@import|url\("
)


@pytest.mark.parametrize("file", sorted(ASSETS.iterdir()), ids=lambda file: file.name)
def test_assets_make_no_markup_of_text_and_load_nothing(file: Any) -> None:
    assert FORBIDDEN.findall(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("line", ["a.innerHTML = b;", 'x = "http://a"', "url(a.png)", "eval(a)"])
def test_such_a_line_is_found(line: str) -> None:
    assert FORBIDDEN.search(line)
