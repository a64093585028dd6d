"""Normalised Levenshtein similarity, for answers that are read from an image.

Biten et al., "Scene Text Visual Question Answering", ICCV 2019, Eq. 1. ``ANLS`` selects the best
of several ground truths. The average over samples is computed where metrics are logged.
"""

from __future__ import annotations

from collections.abc import Set

THRESHOLD = 0.5  # a less similar answer counts as wrong instead of misread
LONGEST = 4000  # characters; the time grows with the square


def similarity(answer: str, truth: str) -> float:
    """1 - d, with d the edit distance divided by the longer length; 0 if this is below 0.5.

    Case and the amount of white space make no difference. Of texts with more than 4,000
    characters only equal ones are similar.
    """
    answer, truth = " ".join(answer.lower().split()), " ".join(truth.lower().split())
    if answer == truth:
        return 1.0
    shorter, longer = sorted((len(answer), len(truth)))
    if shorter < THRESHOLD * longer or longer > LONGEST:  # the distance is at least the difference
        return 0.0
    similar = 1 - edit_distance(answer, truth) / longer
    return similar if similar >= THRESHOLD else 0.0


def edit_distance(one: str, other: str) -> int:
    """Levenshtein distance: insertions, deletions and substitutions of one character each.

    A column of the table of distances is kept as two numbers, whose bits say where the distance
    rises and where it falls by one from a row to the next (Hyyrö, "A Bit-Vector Algorithm for
    Computing Levenshtein and Damerau Edit Distances", 2003, Fig. 3).
    """
    if len(one) < len(other):
        one, other = other, one
    places = _places(one, set(other))
    every, last = (1 << len(one)) - 1, 1 << len(one) >> 1
    rises, falls, distance = every, 0, len(one)
    for character in other:
        equal = places[character]
        straight = (((equal & rises) + rises) ^ rises) | equal | falls  # no edit on the diagonal
        right_rises = falls | (every & ~(straight | rises))
        right_falls = straight & rises
        distance += bool(right_rises & last) - bool(right_falls & last)
        right_rises, right_falls = right_rises << 1 | 1, right_falls << 1
        rises = every & (right_falls | ~(straight | right_rises))
        falls = right_rises & straight & every
    return distance


def _places(text: str, characters: Set[str]) -> dict[str, int]:
    """For each of the characters, a number with the bits set where it stands in the text."""
    found = {character: bytearray(len(text) // 8 + 1) for character in characters}
    for place, character in enumerate(text):
        if character in found:
            found[character][place // 8] |= 1 << place % 8
    return {character: int.from_bytes(bits, "little") for character, bits in found.items()}
