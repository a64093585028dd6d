"""Help, version and refusals, without importing torch."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from visionthink_pl.__main__ import main, spare_the_cores
from visionthink_pl.commands.parsing.verbs import VERBS

CONFIGS = Path(__file__).parents[3] / "configs"
SLOW = ("torch", "lightning", "transformers", "torchvision", "torchmetrics", "peft", "datasets")
RUN = """
import sys
from visionthink_pl.__main__ import main
try:
    code = main()
except SystemExit as end:
    code = end.code or 0
print("loaded:", *(name for name in {slow} if name in sys.modules))
print("code:", code)
"""


def program(tmp_path: Path, *args: str) -> tuple[int, str, str, str]:
    """Exit code, output, errors, and which slow packages were loaded."""
    code = RUN.format(slow=SLOW)
    ran = subprocess.run(
        [sys.executable, "-c", code, *args], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    *lines, loaded, code = ran.stdout.splitlines()
    return (
        int(code.split()[1]),
        "\n".join(lines),
        ran.stderr,
        loaded.removeprefix("loaded:").strip(),
    )


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


@pytest.mark.parametrize(("args", "code", "phrase"), FIRST)
def test_first_words_come_before_slow_packages(
    tmp_path: Path, args: list[str], code: int, phrase: str
) -> None:
    (tmp_path / "empty.yaml").touch()
    args = [arg.format(q=CONFIGS / "quickstart.yaml") for arg in args]
    ended, said, errors, loaded = program(tmp_path, *args)
    assert (ended, loaded) == (code, "")
    assert phrase in (errors if code else said)
    assert not code or errors.count("\n") == 1


def test_slow_packages_are_seen_when_they_are_loaded(tmp_path: Path) -> None:
    args = ("fit", "--config", str(CONFIGS / "quickstart.yaml"), "--rollout.max_turns=1")
    ended, _, errors, loaded = program(tmp_path, *args)
    assert ended == 2 and "rollout.max_turns: at least 2" in errors and "torch" in loaded


def test_all_verbs_stand_side_by_side(tmp_path: Path) -> None:
    _, said, _, _ = program(tmp_path, "--help")
    listed = re.findall(r"^ {4}(\w+) ", said, re.MULTILINE)
    assert listed == list(VERBS)


def test_our_options_come_first(tmp_path: Path) -> None:
    _, said, _, _ = program(tmp_path, "fit", "--help")
    places = [said.index(f"--{key} ") for key in ("model.loss", "data.train", "rollout.rows")]
    assert max(places) < said.index("--trainer.accelerator ")
    assert "G, rollouts of one prompt" in said and "GRPOLoss" in said


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
