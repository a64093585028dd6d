"""Relaxed accuracy, the measure of chart questions.

From PlotQA (Methani et al., WACV 2020), also used by ChartQA (Masry et al., Findings of ACL 2022):
a number may differ by 5%, since it is read from an axis; any other answer must be exact. What
counts as a number follows the common evaluation script (pix2struct): "50%" is 0.5 and "1,000" is
a text. If the truth is 0, texts are compared, since 5% of it is 0.
"""

from __future__ import annotations

import math

TOLERANCE = 0.05  # share of the ground truth, inclusive


def relaxed_match(answer: str, truth: str) -> bool:
    """Whether two numbers are within 5% of the truth, or two texts equal but for case."""
    given, right = _number(answer), _number(truth)
    if given is None or not right:
        return answer.strip().lower() == truth.strip().lower()
    return abs(given - right) / abs(right) <= TOLERANCE


def _number(text: str) -> float | None:
    """A finite number. Infinity and nan are compared as texts, since no number is within 5% of
    them."""
    text = text.strip()
    try:
        number = float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
