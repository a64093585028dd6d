"""Questions about scanned documents and infographics."""

from __future__ import annotations

from collections.abc import Sequence

from visionthink_pl.rewards.accuracy import best
from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark
from visionthink_pl.rewards.rules.anls import similarity


class DocVQA(Benchmark):
    """DocVQA: ANLS, the similarity to the nearest truth, where a similarity below one half is 0.

    Definition: Mathew et al., WACV 2021, evaluation metrics, after Biten et al., ICCV 2019, Eq. 1;
    lmms-eval's ``api/metrics.py: anls``, with which VLMEvalKit agrees. Of exactly one half, the
    papers' formula makes 0, and the harnesses one half, as here. Data: ``lmms-lab/DocVQA``, config
    ``DocVQA``, split ``validation``: ``questionId``, ``question``, ``image``, ``answers`` (a list
    of truths). The split ``test`` has no answers.
    """

    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        return [best(similarity, each.answer, each.sample.answers) for each in answered]


class InfoVQA(DocVQA):
    """InfographicVQA: ANLS, as ``DocVQA``.

    Definition: Mathew et al., WACV 2022, evaluation metrics; lmms-eval's ``tasks/infovqa``. Data:
    ``lmms-lab/DocVQA``, config ``InfographicVQA``, with the same columns.
    """
