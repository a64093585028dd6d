"""``validate``, ``test`` and ``predict`` that were ended go on, as if nothing had ended them."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainer_helpers import SMALL_RUN
from visionthink_pl.callbacks.group_sampler import GroupSampler
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.commands.trainer.unfinished import MARK
from visionthink_pl.types import PromptBatch, RolloutBatch, RunStopped

BATCHES, DONE = 4, 2
CONFIG = SMALL_RUN.replace(
    "data:\n",
    f"""data:
  validation:
    class_path: visionthink_pl.data.LookCloser
    init_args: {{length: {3 * BATCHES - 1}, split: validation}}
  validation_prompts: 3
""",
)
VERBS = ("validate", "test", "predict")
HALF_A_LINE = '{"totals": {"test/acc'


class Sampler:
    """Rolls batches out, and counts those with samples.

    Attributes:
        ends_at: which of them stops the run; ``None`` for none.
        count: of those that were begun.
    """

    def __init__(self) -> None:
        self.ends_at: int | None = None
        self.count = 0

    def __call__(self, of: GroupSampler, *args: Any) -> RolloutBatch:
        batch = args[2]
        assert isinstance(batch, PromptBatch)
        if batch.samples and self.count == self.ends_at:
            raise RunStopped("ended by the test", 143)
        self.count += bool(batch.samples)
        return ROLL_OUT(of, *args)


ROLL_OUT = GroupSampler.__call__


@pytest.fixture
def sampler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sampler]:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(CONFIG)
    found = Sampler()
    monkeypatch.setattr(GroupSampler, "__call__", lambda self, *args: found(self, *args))
    yield found


def run(verb: str, *more: str) -> int:
    return main([verb, "--config", "small.yaml", *more])


def figures(folder: Path, verb: str) -> dict[str, Any]:
    """All that an evaluation has written down."""
    lines = (folder / "trajectories").glob("*.jsonl")
    found: dict[str, Any] = {file.name: file.read_text().splitlines() for file in lines}
    if verb == "predict":
        rows = (folder / "predictions.jsonl").read_text().splitlines()
        assert len(rows) == 3 * BATCHES - 1
        return found | {"rows": rows}
    (row,) = csv.DictReader((folder / "metrics.csv").open())
    return found | row


@pytest.mark.parametrize("verb", VERBS)
def test_it_goes_on_and_comes_to_the_same(verb: str, sampler: Sampler) -> None:
    assert run(verb) == 0
    whole = figures(Path("csv/lightning_logs/version_0"), verb)

    sampler.ends_at, sampler.count = DONE, 0
    assert run(verb) == 143
    folder = Path("csv/lightning_logs/version_1")
    (progress,) = folder.glob("unfinished-*")
    with progress.open("a") as file:
        file.write(HALF_A_LINE)  # as a kill leaves it

    sampler.ends_at, sampler.count = None, 0
    assert run(verb) == 0
    assert sampler.count == BATCHES - DONE
    assert figures(folder, verb) == whole
    assert not [*folder.glob("unfinished-*")] and not (folder / MARK).exists()

    sampler.count = 0
    assert run(verb) == 0  # there is nothing to go on with
    assert sampler.count == BATCHES and Path("csv/lightning_logs/version_2").is_dir()


def test_a_batch_whose_trajectories_alone_were_written_is_done_again(sampler: Sampler) -> None:
    assert run("test") == 0
    whole = figures(Path("csv/lightning_logs/version_0"), "test")
    sampler.ends_at, sampler.count = DONE, 0
    run("test")
    (progress,) = Path("csv/lightning_logs/version_1").glob("unfinished-*")
    header, first, _ = progress.read_text().splitlines(keepends=True)
    progress.write_text(header + first)
    sampler.ends_at, sampler.count = None, 0
    assert run("test") == 0
    assert sampler.count == BATCHES - 1
    assert figures(progress.parent, "test") == whole


@pytest.mark.parametrize(
    "more",
    [("--rollout.max_new_tokens=39",), ("--data.validation_prompts=4",), ("--seed_everything=5",)],
)
def test_with_other_settings_it_begins_anew(more: tuple[str, ...], sampler: Sampler) -> None:
    sampler.ends_at = DONE
    run("test")
    sampler.ends_at, sampler.count = None, 0
    assert run("test", *more) == 0
    assert sampler.count == -(-(3 * BATCHES - 1) // (4 if "prompts" in more[0] else 3))
    assert [*Path("csv/lightning_logs/version_0").glob("unfinished-*")]  # is left alone


def test_another_verb_s_is_left_alone(sampler: Sampler) -> None:
    sampler.ends_at = DONE
    run("test")
    sampler.ends_at, sampler.count = None, 0
    assert run("validate") == 0
    assert sampler.count == BATCHES


def test_one_that_still_runs_is_left_alone(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler.ends_at = DONE
    run("test")
    sampler.ends_at, sampler.count = None, 0
    mark = Path("csv/lightning_logs/version_0", MARK)
    mark.write_text(json.dumps({"host": "another", "process": 1}))
    assert run("test") == 0
    assert sampler.count == BATCHES
    mark.unlink()
    sampler.count = 0
    assert run("test") == 0
    assert sampler.count == BATCHES - DONE


def test_of_a_run_s_checkpoint(sampler: Sampler) -> None:
    assert run("fit") == 0
    (checkpoint,) = Path().rglob("checkpoints/*.ckpt")
    sampler.ends_at, sampler.count = DONE, 0
    run("predict", f"--ckpt_path={checkpoint}")
    sampler.ends_at, sampler.count = None, 0
    assert run("predict", f"--ckpt_path={checkpoint}") == 0
    assert sampler.count == BATCHES - DONE
    folder = checkpoint.parents[1]
    assert [file.parent.name for file in folder.rglob("predictions.jsonl")] == ["predict"]

    run("predict", f"--ckpt_path={checkpoint}")
    assert len([*folder.glob("predict*/predictions.jsonl")]) == 2
