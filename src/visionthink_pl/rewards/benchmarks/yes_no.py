"""Answers that are yes or no: ways to read them."""

from __future__ import annotations

from visionthink_pl.rewards.benchmarks.vqa_answers import without_punctuation
from visionthink_pl.types import ConfigError, VQASample

YES, NO = "yes", "no"


def exactly(answer: str) -> str | None:
    """Yes or no and nothing else, whatever its case; ``None`` for anything else."""
    answer = answer.lower().strip()
    return answer if answer in (YES, NO) else None


def by_prefix(answer: str) -> str | None:
    """Yes or no within the first four characters, or the letter y or n alone; else ``None``."""
    start = answer.lower().strip().replace(".", "")
    if len(start) == 1:
        return {"y": YES, "n": NO}.get(start)
    return next((word for word in (YES, NO) if word in start[:4]), None)


def by_words(answer: str) -> str | None:
    """The one of yes and no that is among the words; ``None`` where both are or neither is."""
    found = {YES, NO} & set(without_punctuation(answer.lower()).split())
    return found.pop() if len(found) == 1 else None


def truth_of(sample: VQASample) -> str:
    """The ground truth.

    Raises:
        ConfigError: it is neither yes nor no.
    """
    if (truth := exactly(sample.answer.replace(".", ""))) is None:
        raise ConfigError(
            f"sample {sample.id!r}: the truth of a question of this benchmark is yes or no, not "
            f"{sample.answer!r}"
        )
    return truth
