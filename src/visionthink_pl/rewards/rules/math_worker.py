"""Run as a script by ``math_process``: a pair of texts a line in, yes or no a line out.

Imports nothing of the package, so that it starts in the time that sympy takes.
"""

from __future__ import annotations

import json
import logging
import signal
import sys

from latex2sympy2_extended import NormalizationConfig
from latex2sympy2_extended.logic import And
from math_verify import LatexExtractionConfig, parse
from math_verify.errors import TimeoutException
from math_verify.utils import timeout
from sympy import (
    Basic,
    Eq,
    Expr,
    FiniteSet,
    Float,
    Interval,
    Ne,
    PrecisionExhausted,
    Rational,
    Tuple,
    Union,
    nan,
    simplify,
    zoo,
)
from sympy.core.relational import Relational

STEP_S = 2  # whole seconds for reading one text, and for comparing: the library's own timeouts
# Its unit and equation clean-ups drop what tells two answers apart.
LATEX = LatexExtractionConfig(
    boxed_match_priority=-1,
    normalization_config=NormalizationConfig(malformed_operators=True, boxed="none"),
)


def main() -> None:
    """Answer each line of standard input, the empty pair by "ready", until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the trainer, which closes the pipe
    logging.disable()
    for line in sys.stdin:
        pair = json.loads(line)
        reply = ("yes" if equal(*pair) else "no") if pair else "ready"
        print(reply, flush=True)


def equal(answer: str, truth: str) -> bool:
    """Whether the two expressions are equal; one that can't be read equals nothing."""
    given, right = read(answer), read(truth)
    try:
        return any(timeout(STEP_S)(same)(one, other) for one in given for other in right)
    except (TimeoutException, Exception):  # what sympy fails at is not proved to be equal
        return False


def read(text: str) -> list[Basic]:
    """The expression, with exact fractions for decimals: floats are compared by six decimals."""
    found = parse(f"${text}$", [LATEX], fallback_mode="no_fallback", parsing_timeout=STEP_S)
    return [
        one.xreplace({number: Rational(str(number)) for number in one.atoms(Float)})
        for one in found
    ]


def same(one: Basic, other: Basic) -> bool:
    """Whether two expressions have provably the same value, or their parts have.

    The library's own comparison cuts values, and parts of them, at a fixed number of digits, so
    that any two that are small enough are equal to it.
    """
    if one.has(nan, zoo) or other.has(nan, zoo):
        return False
    if one == other:
        return True
    if isinstance(one, Expr) and isinstance(other, Expr):
        return not _differ(one, other) and (one - other).equals(0) is True  # None: no proof
    if isinstance(one, Relational) and isinstance(other, Relational):
        return _same_relation(one, other)
    if isinstance(one, Interval) and isinstance(other, Interval):
        ends = (one.left_open, one.right_open) == (other.left_open, other.right_open)
        return bool(ends) and same(one.start, other.start) and same(one.end, other.end)
    if isinstance(one, Tuple) and isinstance(other, Tuple):
        return len(one) == len(other) and all(map(same, one, other))
    for kind in (FiniteSet, Union, And):
        if isinstance(one, kind) and isinstance(other, kind):
            return _same_parts(list(one.args), list(other.args))
    return False


def _differ(one: Expr, other: Expr) -> bool:
    """Whether the values differ at one point, to 15 digits: soon found, unlike a proof."""
    difference = one - other
    symbols = sorted(difference.free_symbols, key=str)
    point = {symbol: Rational(7 * place + 5, 11) for place, symbol in enumerate(symbols, start=1)}
    try:
        value = difference.subs(point).evalf(15, strict=True)
    except (PrecisionExhausted, NotImplementedError):  # 0, or as good as 0
        return False
    return bool(value.is_comparable and value != 0)


def _same_relation(one: Relational, other: Relational) -> bool:
    """Whether one is the other turned round, or times a number (a positive one, unless = or !=)."""
    if one.func is not other.func:
        other = other.reversed
    if one.func is not other.func:
        return False
    if not all(isinstance(side, Expr) for side in (*one.args, *other.args)):
        return same(one.lhs, other.lhs) and same(one.rhs, other.rhs)
    left, right = one.lhs - one.rhs, other.lhs - other.rhs
    if right.equals(0):
        return False
    ratio = simplify(left / right)
    if not ratio.is_number:
        return False
    return bool(ratio.is_nonzero if isinstance(one, (Eq, Ne)) else ratio.is_positive)


def _same_parts(ones: list[Basic], others: list[Basic]) -> bool:
    """Whether each part has a partner of its own on the other side, in any order."""
    for one in ones:
        partner = next((other for other in others if same(one, other)), None)
        if partner is None:
            return False
        others.remove(partner)
    return not others


if __name__ == "__main__":
    main()
