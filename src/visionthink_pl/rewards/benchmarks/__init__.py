"""Published benchmarks: how answers to their questions are scored."""

from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark
from visionthink_pl.rewards.benchmarks.chart_questions import ChartQA
from visionthink_pl.rewards.benchmarks.documents import DocVQA, InfoVQA
from visionthink_pl.rewards.benchmarks.mathverse import MathVerse
from visionthink_pl.rewards.benchmarks.mathvista import MathVista
from visionthink_pl.rewards.benchmarks.mmbench import MMBench
from visionthink_pl.rewards.benchmarks.mme import MME
from visionthink_pl.rewards.benchmarks.mmmu import MMMU, MMMUPro
from visionthink_pl.rewards.benchmarks.mmvet import MMVet
from visionthink_pl.rewards.benchmarks.ocrbench import OCRBench
from visionthink_pl.rewards.benchmarks.pope import POPE
from visionthink_pl.rewards.benchmarks.realworldqa import RealWorldQA
from visionthink_pl.rewards.benchmarks.textvqa import TextVQA

__all__ = [
    "MME",
    "MMMU",
    "POPE",
    "Answered",
    "Benchmark",
    "ChartQA",
    "DocVQA",
    "InfoVQA",
    "MMBench",
    "MMMUPro",
    "MMVet",
    "MathVerse",
    "MathVista",
    "OCRBench",
    "RealWorldQA",
    "TextVQA",
]
