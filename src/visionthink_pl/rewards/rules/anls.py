"""Normalised Levenshtein similarity, for answers that are read from an image.

Biten et al., "Scene Text Visual Question Answering", ICCV 2019, Eq. 1. ``ANLS`` selects the best
of several ground truths. The average over samples is computed where metrics are logged.
"""

from __future__ import annotations

THRESHOLD = 0.5  # a less similar answer counts as wrong instead of misread


def similarity(answer: str, truth: str) -> float:
    """1 - d, with d the edit distance divided by the longer length; 0 if this is below 0.5.

    Case and the amount of white space make no difference.
    """
    answer, truth = " ".join(answer.lower().split()), " ".join(truth.lower().split())
    if answer == truth:
        return 1.0
    similar = 1 - edit_distance(answer, truth) / max(len(answer), len(truth))
    return similar if similar >= THRESHOLD else 0.0


def edit_distance(one: str, other: str) -> int:
    """Levenshtein distance: insertions, deletions and substitutions of one character each."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]
