"""Memory that runs out while data is prepared: one line, and what was counted is kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from prepare_helpers import make_settings
from visionthink_pl.commands.prepare import count
from visionthink_pl.commands.prepare.run import prepare
from visionthink_pl.commands.verb import exit_code
from visionthink_pl.policy.policy_options import PolicyOptions
from visionthink_pl.rewards import RuleAccuracy
from visionthink_pl.rollout import RolloutEngine

GPU = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")
CPU = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ...")

# Where it happens, in which call, by which error, what must be said, and how many lines of counts
# there are already.
PHASES: list[tuple[Any, str, int, Exception, str, int]] = [
    (PolicyOptions, "load", 1, CPU, "in loading, with the weights of embedded in fp32", 0),
    (RuleAccuracy, "setup", 1, GPU, "in loading, with the model that judges", 0),
    (
        RolloutEngine,
        "rollout",
        3,
        GPU,
        "in rolling out, with 8 answers at once of up to 24 tokens, to 4 samples",
        4,
    ),
    (count, "score_groups", 2, MemoryError(), "in scoring, with 8 groups", 4),
]


@pytest.mark.parametrize(("owner", "name", "call", "error", "said", "kept"), PHASES)
def test_the_phase_the_sizes_and_the_change_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    owner: Any,
    name: str,
    call: int,
    error: Exception,
    said: str,
    kept: int,
) -> None:
    function: Callable[..., Any] = getattr(owner, name)
    calls = []

    def failing(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            raise error
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, failing)
    settings = make_settings(tmp_path)

    def run() -> None:
        prepare(settings, {}, Console(quiet=True))

    assert exit_code(run) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("error: out of memory ") and said in line, line
    assert line.endswith("The counts are kept: the same command resumes from there")
    if owner is RolloutEngine:
        assert "; lower rows to 4, or lower prompts_per_batch to 2, or lower limits" in line
    counts = tmp_path / "counts.jsonl"
    assert (len(counts.read_text().splitlines()) if counts.exists() else 0) == kept
    assert exit_code(run) == 0  # it goes on
