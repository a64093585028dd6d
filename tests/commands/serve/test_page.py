"""The page: what it is sent, and that a browser shows it."""

import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi.responses import HTMLResponse

from helpers import CALL, CALL_TURN, make_group, make_trajectory, make_turn
from serve_helpers import data_url, served
from visionthink_pl.commands.answering.model_options import ModelOptions
from visionthink_pl.commands.serve.page import shown
from visionthink_pl.commands.serve.serve import ServeOptions, application
from visionthink_pl.data import LookCloser
from visionthink_pl.rollout.replies import CALL_TAGS
from visionthink_pl.types import View, VQASample

SAMPLE = LookCloser(1, "validation")[0]
assert isinstance(SAMPLE, VQASample)
URL = data_url(SAMPLE.images[0])
# Fills in the page in a frame, as a person would, and copies what it then shows.
PERSON = """<!doctype html><iframe id=frame src=/></iframe><pre id=seen></pre><script>
document.getElementById("frame").onload = async (event) => {
  const page = event.target.contentDocument;
  const blob = await (await fetch("/sample.png")).blob();
  const files = new DataTransfer();
  files.items.add(new File([blob], "a.png", { type: "image/png" }));
  const at = (id) => page.getElementById(id);
  at("file").files = files.files;
  at("question").value = QUESTION;
  at("ask").click();
  const wait = setInterval(() => {
    const said = at("answer").textContent + at("error").textContent;
    if (!said) return;
    clearInterval(wait);
    const images = [...page.querySelectorAll("img")];
    const sizes = images.map((image) => image.naturalWidth + "x" + image.naturalHeight);
    document.getElementById("seen").textContent = page.body.innerText + " LOOKS " + sizes.join(" ");
  }, 50);
};
</script>"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    app = application(ServeOptions(ModelOptions(device="cpu")))
    file = tmp_path_factory.mktemp("page") / "sample.png"
    SAMPLE.images[0].save(file)

    @app.get("/person")
    def person() -> HTMLResponse:
        return HTMLResponse(PERSON.replace("QUESTION", repr(SAMPLE.question)))

    @app.get("/sample.png")
    def sample() -> HTMLResponse:
        return HTMLResponse(file.read_bytes(), media_type="image/png")

    with served(app) as found:
        yield found


def test_a_question(address: str) -> None:
    fields = {"question": SAMPLE.question, "image": URL}
    reply = httpx2.post(f"{address}/page/ask", json=fields).json()
    (look,) = reply["looks"]
    assert (look["width"], look["height"]) == (56, 56) and look["url"].startswith("data:image/png")
    assert reply["answer"] in reply["turns"][0]
    assert reply["tokens"] == "4 shown, 16 in one full look: 12 saved"


def test_both_looks_are_shown() -> None:
    group = make_group([make_trajectory("7", [make_turn(CALL_TURN, CALL)], high=True)])
    full = group.sample.images[0]
    trajectory = group.trajectories[0]
    trajectory.first_look = [View(full.resize((56, 56)))]
    trajectory.turns[0].shown = [View(full)]
    reply = shown(group, CALL_TAGS)
    assert [(look["width"], look["height"]) for look in reply["looks"]] == [(56, 56), (112, 112)]
    assert reply["second_look"] == "yes: Too small."


@pytest.mark.parametrize("fields", [{}, {"question": 7, "image": URL}, {"question": "Why?"}])
def test_what_is_refused(address: str, fields: dict) -> None:
    response = httpx2.post(f"{address}/page/ask", json=fields)
    assert response.status_code == 400 and "question and image" in response.text


def test_only_the_page_s_own_script_runs(address: str) -> None:
    for path, kind in (("/", "text/html"), ("/page.js", "text/javascript")):
        response = httpx2.get(f"{address}{path}")
        assert response.headers["content-type"].startswith(kind)
        assert "script-src 'self'" in response.headers["content-security-policy"]
        assert "innerHTML" not in response.text


@pytest.mark.long
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_shows_the_look_the_answer_and_the_words(address: str, tmp_path: Path) -> None:
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path}", "--virtual-time-budget=30000", f"{address}/person"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r"<pre id=\"seen\">(.*?)</pre>", done.stdout, re.DOTALL)
    assert found is not None, done.stderr
    seen = html.unescape(found[1])
    reply = httpx2.post(
        f"{address}/page/ask", json={"question": SAMPLE.question, "image": URL}
    ).json()
    assert reply["answer"] in seen and reply["turns"][0].splitlines()[0] in seen
    assert "4 shown, 16 in one full look: 12 saved" in seen
    assert seen.endswith("LOOKS 56x56")
