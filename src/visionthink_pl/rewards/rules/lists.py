"""Lists: the same elements in the same order.

Order counts, as the two texts do not tell a ranking from a collection. "Or" joins no list: it
offers two answers.
"""

from __future__ import annotations

import re

from visionthink_pl.rewards.rules.numbers import differ_in_unit, same_quantity
from visionthink_pl.rewards.rules.text import same_text, unwrap

# A comma before three digits may group thousands. White space is single by then.
SEPARATOR = re.compile(r"(?:[;\n]|,(?!\d{3}(?!\d))) ?(?:and |&)?| and |&", re.IGNORECASE)


def same_list(answer: str, truth: str, strict: bool = False) -> bool:
    """Whether both are lists of the same length, and each element matches the one in its place."""
    given, right = elements(answer), elements(truth)
    if len(right) < 2 or len(given) != len(right):
        return False
    return all(_same_element(one, other, strict) for one, other in zip(given, right, strict=True))


def elements(text: str) -> list[str]:
    """What stands between the separators; nothing where two stand side by side."""
    lines = "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    parts = [unwrap(part.strip()) for part in SEPARATOR.split(lines)]
    return parts if all(parts) else []


def _same_element(answer: str, truth: str, strict: bool) -> bool:
    if differ_in_unit(answer, truth):
        return False
    return same_text(answer, truth) or same_quantity(answer, truth, strict)
