"""Mathematical equality: parsed by ``math-verify`` and proved by ``sympy``, in a separate process.

``math-verify`` searches for an expression in a text and uses the last one that it can parse: it
reads "3, 2, 1" as a set, "4=3" as 3, "3 4" as 3 + 4 and "11_2" as 11. So it is used only if each
text as a whole is one expression, without words. A decimal is exact: 0.333333 is not a third.
"""

from __future__ import annotations

import atexit
import re

from visionthink_pl.rewards.rules.expressions import clean, is_expression, split_unit
from visionthink_pl.rewards.rules.math_process import MathProcess
from visionthink_pl.rewards.rules.numbers import is_measured, same_quantity
from visionthink_pl.rewards.rules.units import agree

LONGEST = 200  # characters of a text; truths are shorter
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

    Texts that are only numbers are compared exactly, by the rule for numbers.

    Args:
        strict: a unit may be missing only in the answer; otherwise on either side.

    Raises:
        Undecided: the comparison took too long.
        RuntimeError: the process could not be started.
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
    """Both texts without a name such as "x =", if one of them lacks it or both have the same."""
    given, right = NAME.match(answer), NAME.match(truth)
    same = given is not None and right is not None and given.groups() == right.groups()
    if same or (RELATION.search(answer) is None) != (RELATION.search(truth) is None):
        return NAME.sub("", answer), NAME.sub("", truth)
    return answer, truth


def _same_shape(answer: str, truth: str) -> bool:
    """Whether both have the same relations, and both or neither are a collection, in the same
    brackets.

    ``math-verify`` does not distinguish {1, 2} from (1, 2), and a comma outside of brackets makes a
    set.
    """
    if RELATION.findall(answer) != RELATION.findall(truth):
        return False
    if "," not in answer + truth:
        return True
    given, right = COLLECTION.fullmatch(answer), COLLECTION.fullmatch(truth)
    return given is not None and right is not None and given.groups() == right.groups()
