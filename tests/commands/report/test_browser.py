"""The page in a headless Chromium: what runs, what is shown, keys, filters, and how fast."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser_helpers import CHROMIUM, NO_CHROMIUM, Browser
from report_helpers import (
    HOSTILE,
    answered,
    hostile_records,
    many_records,
    record,
    turn,
    validation,
    write_events,
    write_records,
)
from visionthink_pl.commands.report.report import write_report

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
]
SOURCES = ("file:", "data:")  # of all that a page may ask for


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def page(folder: Path) -> Path:
    write_report(folder, folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four groups of training: all right; half right; all wrong; and one with an invalid call that
    was not scored."""
    folder = tmp_path_factory.mktemp("run")
    both = [
        {"file": "images/0.png", "width": 56, "height": 56, "turn": 0},
        {"file": "images/1.png", "width": 112, "height": 112, "turn": 1},
    ]
    call = {"name": "resize_image", "arguments": {"action": "resize"}}
    looked = {
        "images": both,
        "second_look": True,
        "turns": [turn("<think>Too small.</think>", call=call, given_tokens=20), turn("It is 7.")],
    }
    wrong = {"answer": "1", "parts": {"accuracy": 0.0, "format": 0.5}, "advantage": -0.75}
    bad = {"turns": [turn("<tool_call>no", call_error="not JSON")], "answer": None}
    unscored = {"parts": {"accuracy": None, "format": 0.0}, "reward": None, "advantage": None}
    lines = [
        *(record(sample="right", kind="easy", rollout=i) for i in range(2)),
        record(sample="half", question="Half of it?", rollout=0, **looked),
        record(sample="half", question="Half of it?", rollout=1, **wrong),
        *(record(sample="wrong", question="All of it?", rollout=i, **wrong) for i in range(2)),
        record(sample="bad", question="Nothing?", **bad, **unscored),
    ]
    write_records(folder, "train", lines)
    rewards = {0: 1.0, 1: 1.2, 2: 1.5}
    write_events(folder, {"train/reward": rewards, "val/accuracy": {0: 0.5, 2: 0.75}})
    return page(folder)


def shown(browser: Browser, selector: str) -> list[str]:
    """The text of all such elements."""
    found = browser.value(
        f"JSON.stringify([...document.querySelectorAll({selector!r})].map(n => n.textContent))"
    )
    texts: list[str] = json.loads(found)
    return texts


def listed(browser: Browser) -> list[str]:
    return shown(browser, ".row .question")


def quiet(browser: Browser) -> None:
    """Nothing was complained of, and nothing asked for elsewhere."""
    assert browser.complaints == []
    assert [each for each in browser.requested if not each.startswith(SOURCES)] == []


def choose(browser: Browser, name: str, words: str) -> None:
    """Choose the option with these words of a filter."""
    browser.value(
        f"(() => {{ const s = document.querySelector('#filter-{name}');"
        f" s.value = [...s.options].find(o => o.textContent === {words!r}).value;"
        " s.dispatchEvent(new Event('change')); })()"
    )


def visible(character: str) -> str:
    """A character as the page shows it."""
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    if not hidden or character in "\n\u200c\u200d":
        return character
    return "⇥" if character == "\t" else f"U+{ord(character):04X}"


def test_hostile_text_stays_text(browser: Browser, tmp_path: Path) -> None:
    write_records(tmp_path, "train", hostile_records())
    kinds = {f"train/accuracy/{t[:40]}": {0: 0.5, 1: 1.0} for t in HOSTILE.values() if t.isascii()}
    write_events(tmp_path, kinds | {"train/accuracy": {0: 0.5, 1: 1.0}})
    browser.open(page(tmp_path))
    title = browser.value("document.title")
    browser.wait("performance.getEntriesByName('chart').length > 0")
    elements = "document.querySelectorAll('script, style, link, iframe, object, embed, a').length"
    before = browser.value(elements)
    for text in HOSTILE.values():
        expected = "".join(map(visible, text))
        assert shown(browser, ".detail .question") == [expected]
        said = shown(browser, ".said")[0].replace("⏎", "")
        assert said == expected
        handlers = "[...document.querySelectorAll('*')].filter(n => [...n.attributes].some("
        assert browser.value(f"{handlers}a => a.name.startsWith('on'))).length") == 0
        browser.press("t", "t", "j")
    assert browser.value(elements) == before
    assert browser.value("typeof globalThis.ran") == "undefined"
    assert browser.value("document.title") == title
    names = shown(browser, ".names button bdi")
    assert {"constructor", "__proto__", HOSTILE["image"][:40]} <= set(names)
    quiet(browser)


def test_the_same_text_as_markup_would_run(browser: Browser, tmp_path: Path) -> None:
    """What the test above would see if it were not text."""
    file = tmp_path / "control.html"
    end = "<script>setTimeout(() => performance.mark('ready'), 300)</script>"
    for text in (HOSTILE["image"], HOSTILE["closes the script"].removeprefix("</script>")):
        file.write_text(f"<!doctype html><title>a</title><body>{text}{end}")
        browser.open(file)
        assert browser.value("globalThis.ran") == 1
        assert browser.value("document.title") == "ran"


def test_the_policy_stops_what_would_get_into_the_page(browser: Browser, run: Path) -> None:
    browser.open(run)
    browser.value(
        "(() => { const s = document.createElement('script'); s.textContent = 'globalThis.ran = 1';"
        " document.body.append(s); const d = document.createElement('div');"
        " d.innerHTML = '<img src=x onerror=\"globalThis.ran = 1\">'; document.body.append(d);"
        " const i = new Image(); i.src = 'https://example.invalid/a.png'; })()"
    )
    browser.wait("document.querySelector('img[src=x]').complete")
    assert browser.value("typeof globalThis.ran") == "undefined"
    for rule, blocked in (("script-src", "inline script"), ("img-src", "example.invalid")):
        assert any(rule in each and blocked in each for each in browser.complaints)


def test_wrong_answers_come_first(browser: Browser, run: Path) -> None:
    browser.open(run)
    asked = "Which digit is on the tag?"
    assert listed(browser) == ["All of it?", "Half of it?", asked, "Nothing?"]
    browser.press("w")
    assert listed(browser) == [asked, "Half of it?", "All of it?", "Nothing?"]
    quiet(browser)


# A filter, what is chosen, the questions that are listed then, and how many answers match.
FILTERED = [
    ("kind", "easy", ["Which digit is on the tag?"], 2),
    ("answer", "wrong", ["Half of it?", "All of it?"], 3),
    ("answer", "right", ["Which digit is on the tag?", "Half of it?"], 3),
    ("answer", "not scored", ["Nothing?"], 1),
    ("looked", "yes", ["Half of it?"], 1),
    ("invalid", "yes", ["Nothing?"], 1),
]


@pytest.mark.parametrize(("name", "chosen", "questions", "answers"), FILTERED)
def test_filters(
    name: str, chosen: str, questions: list[str], answers: int, browser: Browser, run: Path
) -> None:
    browser.open(run)
    choose(browser, name, chosen)
    assert listed(browser) == questions
    (total,) = shown(browser, ".total")
    assert total.endswith(f", {answers} answer{'' if answers == 1 else 's'}")
    choose(browser, name, "all")
    assert len(listed(browser)) == 4


def test_keys(browser: Browser, run: Path) -> None:
    browser.open(run)

    def at() -> tuple[str, str]:
        (selected,) = shown(browser, '.row[aria-selected="true"] .question')
        (question,) = shown(browser, ".detail .question")
        assert selected == question
        (answer,) = shown(browser, ".answers tr.selected button")
        return question, answer

    assert at() == ("All of it?", "rollout 0")
    browser.press("j")
    assert at() == ("Half of it?", "rollout 1")  # the wrong one of the two
    browser.press("h")
    assert at() == ("Half of it?", "rollout 0")
    browser.press("h", "l", "k", "k")
    assert at() == ("All of it?", "rollout 0")
    browser.press("/")
    assert browser.value("document.activeElement.id") == "search"
    browser.press("n", "o", "t", "h")  # letters are words here and no keys
    browser.wait("document.querySelectorAll('.row').length === 1")
    assert at() == ("Nothing?", "rollout 0")
    browser.press("Escape")
    assert browser.value("document.activeElement === document.body") is True
    browser.press("/", "Backspace")  # what was searched for is selected
    browser.wait("document.querySelectorAll('.row').length === 4")
    browser.press("Escape", "?")
    assert browser.value("document.querySelector('dialog').open") is True
    browser.press("Escape")
    assert browser.value("document.querySelector('dialog').open") is False
    browser.value("document.querySelectorAll('.detail nav button')[2].focus()")
    browser.press("Enter")
    assert at()[0] == "Half of it?"
    assert browser.value("document.activeElement.textContent") == "next"  # it is a new button
    browser.value("document.querySelector('.list').focus()")
    browser.press("ArrowDown", "End", "ArrowUp")
    assert at()[0] == "Which digit is on the tag?"
    assert (
        browser.value(
            "document.getElementById(document.querySelector('.list')"
            ".getAttribute('aria-activedescendant')).getAttribute('aria-selected')"
        )
        == "true"
    )
    quiet(browser)


def test_parts_and_their_captions_are_told(browser: Browser, tmp_path: Path) -> None:
    """Two views in the first look, then a part of one of them, with words before it."""
    images = [
        {"file": "images/0.png", "width": 56, "height": 56, "turn": 0, "source": place}
        for place in range(2)
    ]
    part = {"width": 28, "height": 20, "turn": 2, "source": 1, "box": [56, 0, 84, 20]}
    images.append({"file": "images/1.png", **part, "caption": "The <b>corner</b>:"})
    turns = [turn("a"), turn("b"), turn("c")]
    write_records(tmp_path, "train", [record(images=images, turns=turns, second_look=True)])
    browser.open(page(tmp_path))
    assert shown(browser, ".looks figcaption") == [
        "first look 1, 56 × 56 pixels",
        "first look 2, 56 × 56 pixels",
        "second look, 28 × 20 pixels, of 56, 0 to 84, 20: The <b>corner</b>:",
    ]


def test_both_images_turns_parts_and_tokens(browser: Browser, run: Path) -> None:
    browser.open(run)
    browser.press("j", "h")
    assert shown(browser, ".looks figcaption") == [
        "first look, 56 × 56 pixels",
        "second look, 112 × 112 pixels",
    ]
    assert (
        browser.value(
            "[...document.querySelectorAll('.looks img')].every(i => i.complete"
            " && i.naturalWidth > 0)"
        )
        is True
    )
    assert shown(browser, ".turn h4") == ["Turn 1 2 tokens", "Turn 2 3 tokens"]
    assert shown(browser, ".said")[1] == "It is 7."
    assert shown(browser, ".call")[0] == 'called resize_image with {"action":"resize"}'
    heads = shown(browser, ".answers thead th")
    cells = shown(browser, ".answers tr.selected td")
    row = dict(zip(heads[1:], cells, strict=True))
    assert row["answer"].endswith("7") and row["looked"] == "twice"
    assert (row["accuracy"], row["format"], row["advantage"]) == ("1.00", "0.50", "+0.50")
    colours = "[...document.querySelectorAll('.said .token')].map(t => t.className)"
    assert browser.value(f"{colours}.join()") == "token p0,token p0,token p0,token p0,token p0"
    browser.press("t")
    assert browser.value(f"{colours}.length") == 0
    assert shown(browser, ".said")[1] == "It is 7."


def test_tokens_are_coloured_by_their_log_probability(browser: Browser, tmp_path: Path) -> None:
    logprobs = [0.0, -0.05, -0.2, -0.7, -1.5, -3.0, -9.0, None]
    made = turn("abcdefgh", tokens=list("abcdefgh"), logprobs=logprobs)
    write_records(tmp_path, "train", [record(turns=[made])])
    browser.open(page(tmp_path))
    found = browser.value(
        "[...document.querySelectorAll('.said .token')].map(t => t.className).join()"
    )
    levels = ("p0", "p0", "p1", "p2", "p3", "p4", "p5", "unknown")
    assert found == ",".join(f"token {level}" for level in levels)
    said = browser.value("document.querySelector('.said .p2').title")
    assert said == "d · log-probability −0.70 nats, probability 49.7%"


def test_charts_are_drawn_in_the_colours_of_the_page(browser: Browser, run: Path) -> None:
    line = "document.querySelector('.scatterlayer .js-line').style.stroke"
    for dark, colour in ((False, "rgb(29, 29, 31)"), (True, "rgb(236, 236, 238)")):
        browser.dark(dark)
        browser.open(run, mark="chart")
        assert browser.value(line) == colour
    browser.dark(False)  # while it is open
    browser.wait(f"{line} === 'rgb(29, 29, 31)'")
    assert shown(browser, ".plot .xtitle")[0] == "rollout batches"
    assert shown(browser, ".plot .ytitle") == ["reward", "accuracy, share"]
    hidden = "document.querySelector('.names button').getAttribute('aria-pressed')"
    browser.value("document.querySelector('.names button').click()")
    assert browser.value(hidden) == "false"
    browser.wait("document.querySelector('.plot').querySelectorAll('.js-line').length === 0")
    quiet(browser)


def test_modes_are_shown_in_a_picture_and_side_by_side(browser: Browser, tmp_path: Path) -> None:
    score = {"adaptive": 0.91, "always_low": 0.5, "always_high": 0.95}
    modes = {
        mode: {"score": value, "visual_token_ratio": ratio, "benchmarks": {}}
        for (mode, value), ratio in zip(score.items(), (0.4, 0.25, 1.0), strict=True)
    }
    (tmp_path / "summary.json").write_text(json.dumps({"modes": modes}))
    for mode in score:
        write_records(tmp_path, mode, [answered(mode)])
    browser.open(page(tmp_path), mark="chart")
    assert set(shown(browser, ".plot .textpoint text")) == {"adaptive", "always low", "always high"}
    assert shown(browser, ".answers tbody button") == ["adaptive", "always high", "always low"]
    choose(browser, "origin", "always low")
    assert shown(browser, ".answers tr.selected button") == ["always low"]
    assert shown(browser, ".looks figcaption")[0].startswith("first look")
    quiet(browser)


def test_a_question_before_and_after_training(browser: Browser, tmp_path: Path) -> None:
    lines = [validation(step=step, answer=str(step)) for step in (0, 5, 9)]
    write_records(tmp_path, "val", lines)
    browser.open(page(tmp_path))
    assert shown(browser, ".answers tbody button") == ["before training", "after 9 steps"]


@pytest.mark.parametrize(("width", "height"), [(390, 844), (320, 568)])
def test_a_phone_s_page_is_as_wide_as_the_phone(
    width: int, height: int, browser: Browser, tmp_path: Path
) -> None:
    write_records(tmp_path, "train", hostile_records())
    write_events(tmp_path, {"train/reward": {0: 1.0, 1: 2.0}, "val/accuracy": {0: 0.5, 1: 1.0}})
    browser.size(width, height, phone=True)
    try:
        browser.open(page(tmp_path))
        for _ in HOSTILE:
            assert browser.value("document.documentElement.scrollWidth") == width
            browser.press("j")
        smallest = (
            "Math.min(...[...document.querySelectorAll('.filters select, .detail nav button')]"
        )
        assert browser.value(f"{smallest}.map(n => n.getBoundingClientRect().height))") >= 40
    finally:
        browser.size(1280, 900)


def test_two_thousand_trajectories_open_in_two_seconds(browser: Browser, tmp_path: Path) -> None:
    """With images as a real run has them; the best of a few, since other work may run beside."""
    write_records(tmp_path, "train", many_records(groups=250, size=8, tokens=300))
    rewards = {step: 1.0 for step in range(100)}
    write_events(tmp_path, {"train/reward": rewards, "train/groups_with_signal": rewards})
    file = page(tmp_path)
    assert file.stat().st_size < 30e6
    took = [browser.open(file, mark=mark) for mark in ("ready", "chart") for _ in range(3)]
    assert min(took[:3]) < 2000 and min(took[3:]) < 2000
    (total,) = shown(browser, ".total")
    assert total == "250 groups, 2,000 answers"
    assert 10 < len(listed(browser)) < 60  # of 250: only those near are in the page
    browser.value("document.querySelector('.list').focus()")
    browser.press("End")
    browser.wait("document.querySelector('.row[aria-posinset=\"250\"]') !== null")
    quiet(browser)
