"""Mathematical equality: read by ``math-verify``, proved by ``sympy``, in a process of its own.

``math-verify`` looks for an expression in what a model said, and takes the last one that it can
read: "3, 2, 1" is a set to it, "4=3" is 3, "3 4" is 3 + 4, and "11_2" is 11. So it is asked only
where the whole of both texts is one expression, without words. A decimal is the number it says:
0.333333 is not a third.
"""

from __future__ import annotations

import atexit
import re

from visionthink_pl.rewards.rules.expressions import clean, is_expression, split_unit
from visionthink_pl.rewards.rules.math_process import MathProcess
from visionthink_pl.rewards.rules.numbers import is_measured, same_quantity
from visionthink_pl.rewards.rules.units import agree

LONGEST = 200  # characters; what a truth needs, with room
NAME = re.compile(  # the "x =" of x = 3, the "f(x) =" of f(x) = 2x, the "(x,y) =" of (x,y) = (1,2)
    r"^((?:[a-zA-Z]|\\(?:theta|alpha|beta)\b)\s*(?:_\w)?(?:\([a-z]\))?|\([a-zA-Z](?:\s*,\s*[a-zA-Z])+\))"
    r"\s*(=|\\in(?![a-zA-Z]))\s*"
)
RELATION = re.compile(r"=|\\in(?![a-zA-Z])")
COLLECTION = re.compile(r"(\\\{|[(\[]).*,.*(\\\}|[)\]])", re.DOTALL)  # with its outer brackets

PROCESS = MathProcess()
atexit.register(PROCESS.stop)


def same_expression(answer: str, truth: str, strict: bool = False) -> bool:
    """Whether both are mathematical expressions of the same value or meaning.

    Numbers alone are another rule's, and exact. A pair that takes longer than its time limit is no
    match.

    Args:
        strict: a unit may be missing in the answer alone; else on either side.

    Raises:
        RuntimeError: the process that compares could not be started.
    """
    if max(len(answer), len(truth)) > LONGEST:
        return False
    answer, truth = _without_name(clean(answer), clean(truth))
    if is_measured(answer) and is_measured(truth):
        return same_quantity(answer, truth, strict)
    answer, given = split_unit(answer)
    truth, right = split_unit(truth)
    if not agree(given, right, strict):
        return False
    if answer.strip() and answer.split() == truth.split():
        return True
    if not (is_expression(answer) and is_expression(truth) and _same_shape(answer, truth)):
        return False
    return "".join(answer.split()) == "".join(truth.split()) or PROCESS.equal(answer, truth)


def _without_name(answer: str, truth: str) -> tuple[str, str]:
    """Without the name of what was asked for, where one side lacks it or both have the same."""
    given, right = NAME.match(answer), NAME.match(truth)
    same = given is not None and right is not None and given.groups() == right.groups()
    if same or (RELATION.search(answer) is None) != (RELATION.search(truth) is None):
        return NAME.sub("", answer), NAME.sub("", truth)
    return answer, truth


def _same_shape(answer: str, truth: str) -> bool:
    """The same relations, and both or neither a collection, then in the same brackets.

    To ``math-verify`` {1, 2} and (1, 2) are the same, and a comma outside of brackets makes a set.
    """
    if RELATION.findall(answer) != RELATION.findall(truth):
        return False
    if "," not in answer + truth:
        return True
    given, right = COLLECTION.fullmatch(answer), COLLECTION.fullmatch(truth)
    return given is not None and right is not None and given.groups() == right.groups()
