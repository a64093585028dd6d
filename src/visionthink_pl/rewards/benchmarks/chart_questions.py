"""Questions about charts."""

from __future__ import annotations

from collections.abc import Sequence

from visionthink_pl.rewards.accuracy import best
from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark
from visionthink_pl.rewards.rules.chartqa import relaxed_match


class ChartQA(Benchmark):
    """ChartQA: relaxed accuracy. A number may differ by 5% from the truth; anything else must be
    equal but for case.

    Definition: Masry et al., Findings of ACL 2022, Sec. 5.1; lmms-eval's
    ``tasks/chartqa/utils.py: relaxed_correctness``, with which VLMEvalKit agrees. Data:
    ``lmms-lab/ChartQA``, split ``test``: ``question``, ``image``, ``answer``; ``type``
    (``human_test``, ``augmented_test``) as the kind. The published score is the mean of both, which
    have the same size.
    """

    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        return [best(relaxed_match, each.answer, each.sample.answers) for each in answered]
