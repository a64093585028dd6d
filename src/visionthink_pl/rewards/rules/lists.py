"""Lists: the same elements in the same order.

The order matters, since the texts do not show whether a list is a ranking. "Or" does not separate
elements of a list: it offers two answers.
"""

from __future__ import annotations

import re

from visionthink_pl.rewards.rules.numbers import differ_in_unit, same_quantity
from visionthink_pl.rewards.rules.text import same_text, unwrap

# A comma before three digits may group thousands. White space has been reduced to single blanks.
SEPARATOR = re.compile(r"(?:[;\n]|,(?!\d{3}(?!\d))) ?(?:and |&)?| and |&", re.IGNORECASE)


def same_list(answer: str, truth: str, strict: bool = False) -> bool:
    """Whether both are lists of the same length whose elements match one by one."""
    given, right = elements(answer), elements(truth)
    if len(right) < 2 or len(given) != len(right):
        return False
    return all(_same_element(one, other, strict) for one, other in zip(given, right, strict=True))


def elements(text: str) -> list[str]:
    """The texts between separators; none if any of them is empty."""
    lines = "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    found = [unwrap(element.strip()) for element in SEPARATOR.split(lines)]
    return found if all(found) else []


def _same_element(answer: str, truth: str, strict: bool) -> bool:
    if differ_in_unit(answer, truth):
        return False
    return same_text(answer, truth) or same_quantity(answer, truth, strict)
