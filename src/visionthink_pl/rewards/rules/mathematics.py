"""Mathematical equality, by ``math-verify`` in a process of its own.

``math-verify`` looks for an expression in what a model said, and takes the last one that it can
read: "3, 2, 1" is a set to it, "4=3" is 3, and "3 4" is 3 + 4. So it is asked only where the
whole of both texts is one expression, without words, of the commands listed here. A decimal is
the number it says: 0.333333 is not a third.
"""

from __future__ import annotations

import atexit
import re

from visionthink_pl.rewards.rules.math_process import MathProcess
from visionthink_pl.rewards.rules.numbers import is_measured
from visionthink_pl.rewards.rules.text import FINAL

LONGEST = 200  # characters; what a truth needs, with room
COMMANDS = (
    "frac|dfrac|tfrac|sqrt|pi|theta|alpha|beta|infty|emptyset|cup|cap|pm|cdot|times|div|"
    "lt|gt|le|leq|ge|geq|sin|cos|tan|log|ln"
)
SYMBOLS = {
    "−": "-",
    "–": "-",
    "×": r"\times ",
    "·": r"\cdot ",
    "÷": r"\div ",
    "π": r"\pi ",
    "∞": r"\infty ",
    "±": r"\pm ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "<=": r"\le ",
    ">=": r"\ge ",
    "²": "^2",
    "³": "^3",
}
SPACING = re.compile(r"\\(?:left|right)(?![a-zA-Z])|\\[,;:! ]")
ROOT = re.compile(r"(?:√|\\?sqrt)\s*\(([^()]*)\)|√\s*(\d+(?:\.\d+)?|[a-zA-Z])")
EXPRESSION = re.compile(
    rf"(?:\\(?:{COMMANDS})(?![a-zA-Z])|\\[{{}}]"
    r"|(?<![a-zA-Z])[a-zA-Z](?![a-zA-Z])|[-+*/^_=<>()\[\]{}|,.\d\s])+"
)
# Two numbers side by side, 1.2.3, braces around no argument, a root of 12 that is one of 1, two
# equations in a row, and collections in a row, which have no order to math-verify.
MISREAD = re.compile(
    r"(?<!_)\d\s+[\d.]|\.\d*\.|(?<![a-zA-Z}\]^_\\])\{|\\sqrt\s*\d\d"
    r"|=.*=|[)\]}]\s*,\s*([(\[]|\\\{)",
    re.DOTALL,
)
OPERATOR = re.compile(r"[-+*/^=<>]|\\[a-z]")
# Dates, spans of years, scores, sizes: 2019-2020 is not -1, and 3 x 4 not 12.
JOINED = re.compile(r"[-+]?[\d.,]+(\s*([-/*]|\\times|\\cdot)\s*[\d.,]+)+")
FRACTION = re.compile(r"[-+]?\d+\s*/\s*\d+")
NAME = re.compile(r"^[a-zA-Z](_\d)?\s*=\s*")  # the "x =" of x = 3
COLLECTION = re.compile(r"(\\\{|[(\[]).*,.*(\\\}|[)\]])", re.DOTALL)  # with its outer brackets

PROCESS = MathProcess()
atexit.register(PROCESS.stop)


def same_expression(answer: str, truth: str) -> bool:
    """Whether both are mathematical expressions of the same value or meaning.

    Numbers alone are not looked at: they are another rule's, and exact.

    Raises:
        Undecided: they took too long to compare.
        RuntimeError: the process that compares could not be started.
    """
    if max(len(answer), len(truth)) > LONGEST or (is_measured(answer) and is_measured(truth)):
        return False
    answer, truth = _clean(answer), _clean(truth)
    if ("=" in answer) != ("=" in truth):
        answer, truth = NAME.sub("", answer), NAME.sub("", truth)
    if not (is_expression(answer) and is_expression(truth) and _same_shape(answer, truth)):
        return False
    if "".join(answer.split()) == "".join(truth.split()):
        return True
    # Of two such fractions either may be a date or a score: 6/12 is then not 1/2.
    if FRACTION.fullmatch(answer) and FRACTION.fullmatch(truth):
        return False
    return PROCESS.equal(answer, truth)


def is_expression(text: str) -> bool:
    """Whether a whole text, without its wrappers, is one expression and can't be read as another.

    A letter needs an operator beside it: B2 is a gate, H2O no product.
    """
    if not EXPRESSION.fullmatch(text) or MISREAD.search(text):
        return False
    if JOINED.fullmatch(text) and not FRACTION.fullmatch(text):
        return False
    return OPERATOR.search(text) is not None or not re.search(r"[a-zA-Z]", text)


def _clean(text: str) -> str:
    text = text.strip().rstrip(FINAL)
    for symbol, latex in SYMBOLS.items():
        text = text.replace(symbol, latex)
    text = SPACING.sub(" ", text)
    return ROOT.sub(lambda root: rf"\sqrt{{{root[1] or root[2]}}}", text).strip()


def _same_shape(answer: str, truth: str) -> bool:
    """Both or neither an equation, and both or neither a collection, then in the same brackets.

    To ``math-verify`` {1, 2} and (1, 2) are the same, and a comma outside of brackets makes a set.
    """
    if ("=" in answer) != ("=" in truth):
        return False
    if "," not in answer + truth:
        return True
    given, right = COLLECTION.fullmatch(answer), COLLECTION.fullmatch(truth)
    return given is not None and right is not None and given.groups() == right.groups()
