"""Help, version and refusals, without importing torch."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from visionthink_pl.__main__ import main, spare_the_cores
from visionthink_pl.commands.parsing.front import answered
from visionthink_pl.commands.parsing.verbs import VERBS
from visionthink_pl.types import ConfigError

CONFIGS = Path(__file__).parents[3] / "configs"
SLOW = ("torch", "lightning", "transformers", "torchvision", "torchmetrics", "peft", "datasets")
RUN = """
import contextlib, io, json, sys
from visionthink_pl.__main__ import main

def run(args):
    sys.argv[1:], out, errors = args, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            code = main()
        except SystemExit as end:
            code = end.code or 0
    loaded = [name for name in {slow} if name in sys.modules]
    return code, out.getvalue(), errors.getvalue(), loaded

print(json.dumps([run(args) for args in json.loads(sys.argv[1])]))
"""


@dataclass
class Ran:
    """Exit code, output, errors, and the slow packages that are loaded."""

    code: int
    said: str
    errors: str
    loaded: list[str]


def program(folder: Path, *commands: Sequence[str]) -> list[Ran]:
    """Command lines, one after another in one new process."""
    code = RUN.format(slow=SLOW)
    ran = subprocess.run(
        [sys.executable, "-c", code, json.dumps(commands)],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return [Ran(*found) for found in json.loads(ran.stdout)]


# Arguments, the exit code, and what is said.
FIRST = [
    ([], 2, "a verb comes first: fit, validate"),
    (["fitt"], 2, "did you mean fit?"),
    (["--version"], 0, "visionthink_pl 0."),
    (["--help"], 0, "usage: visionthink_pl "),
    (["-h"], 0, "usage: visionthink_pl "),
    (["plan", "--help"], 0, "usage: visionthink_pl plan "),
    (["fit", "--help"], 0, "usage: visionthink_pl fit "),
    (["prepare", "-h"], 0, "usage: visionthink_pl prepare "),
    (["export", "--help"], 0, "usage: visionthink_pl export "),
    (["fit", "--config", "nowhere.yaml"], 2, "config: File does not exist: 'nowhere.yaml'"),
    (["fit", "--config", "empty.yaml"], 2, "config: 'empty.yaml' holds no settings"),
    (["fit", "--config", "{q}", "--model.learning_rate=1"], 2, "did you mean model.optimizer.lr?"),
    (["plan", "--config", "{q}", "--rolout.rows=1"], 2, "did you mean rollout.rows?"),
    (["fit", "--config", "{q}", "--model.micro_batch_size=x"], 2, "Expected a int. Got value: x"),
    (["fit", "--config", "{q}", "--rollout.group_size=1"], 2, "at least 2, not 1; an advantage"),
    (["prepare", "--rollouts=0"], 2, "rollouts: at least 1, not 0"),
    (["plan", "--config", "{q}", "--ask-rate=2"], 2, "--ask-rate: from 0 to 1, not 2.0"),
    (["fit", "--config", "{q}", "--model.loss=GRPOLos"], 2, "did you mean GRPOLoss?"),
    (["prepare", "--rolouts=1"], 2, "unknown key rolouts; did you mean rollouts?"),
    (["export", "--chkpt=a"], 2, "unknown key chkpt; did you mean ckpt?"),
]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> list[Ran]:
    folder = tmp_path_factory.mktemp("first")
    (folder / "empty.yaml").touch()
    named = [[arg.format(q=CONFIGS / "quickstart.yaml") for arg in args] for args, *_ in FIRST]
    return program(folder, *named)


@pytest.mark.parametrize("row", range(len(FIRST)), ids=[" ".join(args) for args, *_ in FIRST])
def test_first_words_come_before_slow_packages(first: list[Ran], row: int) -> None:
    (_, code, phrase), ran = FIRST[row], first[row]
    assert (ran.code, ran.loaded) == (code, [])
    assert phrase in (ran.errors if code else ran.said)
    assert not code or ran.errors.count("\n") == 1


@pytest.mark.long
def test_slow_packages_are_seen_when_they_are_loaded(tmp_path: Path) -> None:
    args = ("fit", "--config", str(CONFIGS / "quickstart.yaml"), "--rollout.max_turns=1")
    (ran,) = program(tmp_path, args)
    assert ran.code == 2 and "rollout.max_turns: at least 2" in ran.errors and "torch" in ran.loaded


def said_to(first: list[Ran], *args: str) -> str:
    return next(ran.said for ran, (given, *_) in zip(first, FIRST, strict=True) if [*args] == given)


def test_all_verbs_stand_side_by_side(first: list[Ran]) -> None:
    listed = re.findall(r"^ {4}(\w+) ", said_to(first, "--help"), re.MULTILINE)
    assert listed == list(VERBS)


def test_our_options_come_first(first: list[Ran]) -> None:
    said = said_to(first, "fit", "--help")
    places = [said.index(f"--{key} ") for key in ("model.loss", "data.train", "rollout.rows")]
    assert max(places) < said.index("--trainer.accelerator ")
    assert "G, rollouts of one prompt" in said and "GRPOLoss" in said
    rate = "optimizer steps over which the learning rate rises from 0."
    assert rate in " ".join(said.split())


LISTED = (
    "(verbs: fit, validate, test, predict, prepare, plan, evaluate, compare, ask, serve, report, "
    "export)"
)
NO_VERBS = [
    (["fitt"], f"there is no verb 'fitt'; did you mean fit? {LISTED}"),
    (["prepar"], f"there is no verb 'prepar'; did you mean prepare? {LISTED}"),
    (["dance"], f"there is no verb 'dance' {LISTED}"),
    (
        [],
        "a verb comes first: fit, validate, test, predict, prepare, plan, evaluate, compare, ask, "
        "serve, report, export",
    ),
]


@pytest.mark.parametrize(("args", "message"), NO_VERBS)
def test_no_such_verb(args: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        answered(args)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "1000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),  # the user's
        ({"OMP_WAIT_POLICY": "passive"}, None),  # this one, too, says how to wait
    ],
)
def test_threads_spin_for_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str | None
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    spare_the_cores()
    assert os.environ.get("GOMP_SPINCOUNT") == expected
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)


def test_packages_out_of_range_are_named_before_all_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("visionthink_pl.__main__.out_of_range", lambda: "torch 9 is installed")
    monkeypatch.setattr("visionthink_pl.__main__.sys.argv", ["visionthink_pl", "fti"])
    assert main() == 2
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first == "warning: torch 9 is installed" and "fti" in second
