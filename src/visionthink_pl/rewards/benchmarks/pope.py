"""Whether an object is in the image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark, chosen
from visionthink_pl.rewards.benchmarks.yes_no import NO, YES, by_words, exactly, truth_of


class POPE(Benchmark):
    """POPE: whether an object is in the image. The score is F1 with yes as the positive answer.

    Definition: Li et al., EMNLP 2023, evaluation metrics; lmms-eval's ``tasks/pope/utils.py``;
    VLMEvalKit's ``yorn.py: YOrN_Extraction, POPE_rating``. ``yes_ratio`` is the paper's, the share
    of answers that are yes; lmms-eval's is that of the truths. Data: ``lmms-lab/POPE``, split
    ``test``: ``question``, ``image``, ``answer``, ``category`` (``adversarial``, ``popular``,
    ``random``) as the kind.

    Args:
        rule: ``exact``: yes or no and nothing else, not even a point (lmms-eval). ``words``:
            exactly one of them as a word, anywhere (VLMEvalKit).
        neither: what an answer that is neither yes nor no counts as, beside being wrong:
            ``left_out`` of recall (lmms-eval), or ``no``, which lowers recall (VLMEvalKit).
    """

    def __init__(
        self,
        rule: Literal["exact", "words"] = "exact",
        neither: Literal["left_out", "no"] = "left_out",
    ) -> None:
        self._read = chosen({"exact": exactly, "words": by_words}, rule, "POPE.rule")
        self._otherwise = chosen({"left_out": None, "no": NO}, neither, "POPE.neither")

    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        return [float(self._read(each.answer) == truth_of(each.sample)) for each in answered]

    def summarise(
        self, answered: Sequence[Answered], scores: Sequence[float | None]
    ) -> dict[str, float]:
        found = Counter(
            (truth_of(each.sample), self._read(each.answer) or self._otherwise) for each in answered
        )
        right, said_yes = found[YES, YES], found[YES, YES] + found[NO, YES]
        precision, recall = _share(right, said_yes), _share(right, right + found[YES, NO])
        return {
            "score": _share(2 * precision * recall, precision + recall),
            "accuracy": _share(sum(score or 0.0 for score in scores), len(scores)),
            "precision": precision,
            "recall": recall,
            "yes_ratio": _share(said_yes, len(answered)),
        }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
