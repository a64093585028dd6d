"""The verbs of the command line, run whole: fit, resumed, validate, test, predict, photographs."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.data import LookCloser, PromptDataModule
from visionthink_pl.training.metrics import kinds_of

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "configs" / "quickstart.yaml"
KINDS = ("colour", "shape", "count", "digit", "letter", "print")
SPLIT = ("needs_second_look", "first_look_suffices")

# Laid over the quickstart: four small steps, each with signal whatever the weights, and each
# second one saved.
SMALL = """\
trainer:
  callbacks:
    - class_path: visionthink_pl.callbacks.RolloutLog
    - class_path: visionthink_pl.callbacks.AdapterCheckpoint
      init_args: {every_n_train_steps: 2, save_top_k: -1}
data:
  train:
    class_path: visionthink_pl.data.LookCloser
    init_args: {length: 16, split: train}
  validation:
    class_path: visionthink_pl.data.LookCloser
    init_args: {length: 32, split: validation}
  shuffle: true
  prompts_per_step: 4
  validation_prompts: 32
rollout:
  group_size: 3
  rewards:
    - class_path: visionthink_pl.rewards.RuleAccuracy
    - class_path: visionthink_pl.rewards.FormatReward
    - class_path: visionthink_pl.rewards.ResizePenalty
      init_args: {measure: accuracy}
    - class_path: trainer_helpers.ByPlace
"""


@dataclass
class Run:
    """What a command left behind: its output, and the files of its logger."""

    out: str
    rows: list[dict[str, float]]
    checkpoints: Path

    @property
    def steps(self) -> list[dict[str, float]]:
        return [row for row in self.rows if "rollout_step" in row]


def run(folder: Path, verb: str, *args: str | Path) -> Run:
    """``python -m visionthink_pl`` in ``folder``, which must be new for each run."""
    folder.mkdir()
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]),
    }
    command = [sys.executable, "-m", "visionthink_pl", verb, "--config", QUICKSTART, *args]
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return left(folder, done.stdout + done.stderr)


def run_here(folder: Path, verb: str, *args: str | Path) -> Run:
    """The same in this process, which is faster; without what goes to the log."""
    folder.mkdir()
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.chdir(folder)
        patch.setattr("sys.argv", ["visionthink_pl"])
        assert main([verb, "--config", str(QUICKSTART), *map(str, args)]) == 0
    return left(folder, out.getvalue())


def left(folder: Path, out: str) -> Run:
    (checkpoints, *_) = [*folder.rglob("checkpoints"), folder]
    return Run(out, logged(folder), checkpoints)


def logged(folder: Path) -> list[dict[str, float]]:
    """The rows of the one ``metrics.csv``, each with what it holds."""
    files = list(folder.rglob("metrics.csv"))
    assert len(files) <= 1
    return [
        {name: float(value) for name, value in row.items() if value}
        for file in files
        for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    ]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("config") / "small.yaml"
    file.write_text(SMALL, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, small: Path) -> Run:
    """Four steps, which are an epoch."""
    return run(tmp_path_factory.mktemp("whole") / "run", "fit", "--config", small)


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory, small: Path, whole: Run) -> Run:
    """The last two of them again, from the checkpoint after the second."""
    folder, checkpoint = tmp_path_factory.mktemp("resumed"), whole.checkpoints / "epoch=0-step=2"
    return run_here(folder / "run", "fit", "--config", small, "--ckpt_path", f"{checkpoint}.ckpt")


# Of the names in docs/metrics.md. loss/kl is left out: its coefficient is 0 here.
TRAIN = ["reward", "accuracy", "resize_rate", "groups_with_signal", "invalid_calls", "truncated"]
TRAIN += ["response_tokens", "visual_tokens"]
TRAIN += [f"reward/{part}" for part in ("accuracy", "format", "resize_penalty", "by_place")]
IN_EVERY_STEP = [f"train/{name}" for name in TRAIN]
IN_EVERY_STEP += ["kept/accuracy", "kept/resize_rate", "time/rollout_s", "time/update_s"]
IN_EVERY_STEP += ["loss/policy", "loss/clip_fraction", "loss/grad_norm", "lr", "epoch", "step"]
IN_EVERY_VALIDATION = [
    f"val/{metric}{kind}"
    for metric in ("accuracy", "resize_rate", "visual_token_ratio")
    for kind in ("", *(f"/{kind}" for kind in KINDS + SPLIT))
]


def test_every_step_logs_what_it_should(whole: Run) -> None:
    assert [row["rollout_step"] for row in whole.steps] == [0, 1, 2, 3]
    for row in whole.steps:
        assert [name for name in IN_EVERY_STEP if name not in row] == []
        assert "loss/kl" not in row
        assert row["train/groups_with_signal"] == 1
        assert row["train/reward/by_place"] == 1  # the mean of 0, 1, 2


def test_a_kind_is_logged_where_a_batch_has_it_and_nowhere_else(whole: Run) -> None:
    data = PromptDataModule(LookCloser(16), prompts_per_step=4, seed=0)
    batches = [{k for s in batch.samples for k in kinds_of(s)} for batch in data.train_dataloader()]
    assert any(kinds != batches[0] for kinds in batches)
    for metric in ("accuracy", "resize_rate"):
        prefix = f"train/{metric}/"
        found = [{n[len(prefix) :] for n in row if n.startswith(prefix)} for row in whole.steps]
        assert found == batches


def test_validation_comes_before_training_and_after_it(whole: Run) -> None:
    validations = [index for index, row in enumerate(whole.rows) if "val/accuracy" in row]
    assert validations == [0, len(whole.rows) - 1]
    for index in validations:
        assert [name for name in IN_EVERY_VALIDATION if name not in whole.rows[index]] == []


def test_the_table_compares_before_and_after(whole: Run) -> None:
    assert "before → step 4" in whole.out
    for word in ("question", "accuracy", "resize rate", "visual tokens", *KINDS, *SPLIT):
        assert word in whole.out


def test_a_resumed_run_goes_on(whole: Run, resumed: Run) -> None:
    assert [row["rollout_step"] for row in resumed.steps] == [2, 3]
    after = {path.name for path in resumed.checkpoints.glob("*.ckpt")}
    assert after == {"epoch=0-step=4.ckpt"}  # two steps after the second: global_step goes on
    checkpoint = torch.load(resumed.checkpoints / "epoch=0-step=4.ckpt", weights_only=False)
    assert checkpoint["global_step"] == 4
    assert checkpoint["callbacks"]["RolloutCallback"] == {"draw": 4}


@pytest.mark.equivalence
def test_a_resumed_run_is_the_rest_of_the_whole_one(whole: Run, resumed: Run) -> None:
    for row, expected in zip(resumed.steps, whole.steps[2:], strict=True):
        timeless = {n: v for n, v in expected.items() if not n.startswith(("time/", "memory/"))}
        found = {n: v for n, v in row.items() if n in timeless}
        assert found == pytest.approx(timeless, rel=1e-4, abs=1e-5)
    adapters = [
        load_file(run.checkpoints / "epoch=0-step=4" / "adapter_model.safetensors")
        for run in (whole, resumed)
    ]
    for name, value in adapters[0].items():
        torch.testing.assert_close(adapters[1][name], value)


def test_a_resumed_run_has_no_before(resumed: Run) -> None:
    assert "rollout_step" in resumed.rows[0]
    assert [row for row in resumed.rows if "val/accuracy" in row] == resumed.rows[-1:]
    assert "before →" not in resumed.out


@pytest.fixture
def evaluate(tmp_path: Path, small: Path, whole: Run) -> Callable[[str], Run]:
    """Runs a verb on the trained checkpoint."""
    checkpoint = whole.checkpoints / "epoch=0-step=4.ckpt"
    return lambda verb: run_here(
        tmp_path / "run", verb, "--config", small, "--ckpt_path", checkpoint
    )


@pytest.mark.parametrize(("verb", "prefix"), [("validate", "val"), ("test", "test")])
def test_a_checkpoint_is_evaluated(
    evaluate: Callable[[str], Run], whole: Run, verb: str, prefix: str
) -> None:
    (row,) = evaluate(verb).rows
    after = whole.rows[-1]
    found = {n.split("/", 1)[1]: v for n, v in row.items() if n.startswith(f"{prefix}/")}
    assert found == {n.removeprefix("val/"): v for n, v in after.items() if n.startswith("val/")}


def test_a_checkpoint_predicts(evaluate: Callable[[str], Run], tmp_path: Path) -> None:
    evaluate("predict")
    (file,) = tmp_path.rglob("predictions.jsonl")
    predicted = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    asked = LookCloser(32, "validation")
    expected = [(asked[i].id, asked[i].question) for i in range(32)]
    assert [(row["id"], row["question"]) for row in predicted] == expected
    assert [row["truths"] for row in predicted] == [[asked[i].answer] for i in range(32)]
    for row in predicted:
        assert row["visual_tokens"] == (20 if row["second_look"] else 4)
        assert len(row["turns"]) in (1, 2)


# Of the pictures that come with scikit-image, the mode and format that each is saved in, and its
# EXIF orientation (6: to be turned by a quarter).
PHOTOGRAPHS = [
    ("astronaut.png", "RGB", "png", None),
    ("chelsea.png", "RGB", "jpg", 6),
    ("camera.png", "L", "png", None),
    ("coffee.png", "P", "png", None),
    ("logo.png", "RGBA", "png", None),
    ("rocket.jpg", "CMYK", "jpg", None),
    ("microaneurysms.png", "L", "jpg", 3),  # 102 x 102, the smallest
]
ORIENTATION = 0x0112  # EXIF


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of photographs with questions about them; one file is broken."""
    skimage = pytest.importorskip("skimage", reason="the test extra installs scikit-image")
    shipped = Path(skimage.__file__).parent / "data"
    folder = tmp_path_factory.mktemp("photographs")
    rows = []
    for name, mode, suffix, orientation in PHOTOGRAPHS:
        image = Image.open(shipped / name)
        image = image.convert("RGB").quantize(64) if mode == "P" else image.convert(mode)
        exif = Image.Exif()
        if orientation is not None:
            exif[ORIENTATION] = orientation
        file = folder / f"{Path(name).stem}.{suffix}"
        image.save(file, exif=exif)
        with Image.open(file) as saved:
            assert saved.mode == mode and saved.getexif().get(ORIENTATION) == orientation
        rows.append({"image": file.name, "question": "What is this?", "answer": "a cat"})
    whole_file = (folder / "astronaut.png").read_bytes()
    (folder / "broken.png").write_bytes(whole_file[: len(whole_file) // 2])
    broken = {"image": "broken.png", "question": "And this?", "answer": "nothing"}
    rows.append(broken | {"id": "the broken one", "kind": "broken"})
    text = "\n".join(map(json.dumps, rows))
    (folder / "questions.jsonl").write_text(text, encoding="utf-8")
    return folder


def test_fit_on_photographs_of_all_sizes_and_modes(
    tmp_path: Path, photographs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = run_here(
        tmp_path / "run",
        "fit",
        "--data.train.class_path=visionthink_pl.data.ImageFolder",
        f"--data.train.init_args.folder={photographs}",
        "--data.validation=null",
        "--data.max_bad_rows=1",
        "--data.prompts_per_step=4",
        "--rollout.group_size=2",
        "--rollout.max_new_tokens=8",
        "--rollout.rewards+=trainer_helpers.ByPlace",
        "--model.loss.init_args.kl_coefficient=0.001",
    )
    assert "sample the broken one is left out: can't decode the image" in caplog.text
    assert "the broken one" in done.out  # of the table at the end
    assert [row["rollout_step"] for row in done.steps] == [0, 1]
    assert sorted(row["train/unreadable"] for row in done.steps) == [0, 1]
    for row in done.steps:
        assert row["train/groups_with_signal"] == 1
        assert row["loss/grad_norm"] > 0
        assert row["loss/kl"] >= 0
        assert row["train/visual_tokens"] > 4  # photographs are larger than the drawings
        assert f"train/accuracy/{photographs.name}" in row
    assert "train/accuracy/broken" not in done.steps[0] | done.steps[1]
