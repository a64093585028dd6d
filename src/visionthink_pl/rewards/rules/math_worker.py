"""A script that ``math_process`` runs: for each input line with two texts it prints yes or no.

It imports nothing of the package, so that its start takes no longer than that of sympy. Processor
time is limited instead of elapsed time, since any pair can take long on a busy machine.
"""

from __future__ import annotations

import json
import logging
import signal
import sys

from latex2sympy2_extended import NormalizationConfig
from latex2sympy2_extended.logic import And
from math_verify import LatexExtractionConfig, parse
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

WARM_UP = ("(x+1)(x-1)", "x^2-1")
# Without the normalisation of units and equations, which removes differences between answers.
LATEX = LatexExtractionConfig(
    boxed_match_priority=-1,
    normalization_config=NormalizationConfig(malformed_operators=True, boxed="none"),
)


def main() -> None:
    """Print "ready", then reply to each line of standard input until it is closed.

    A line holds an answer, a truth, and the seconds of processor time that they may take. After
    these, the default action of the signal ends the process, even during a single step in C.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the trainer, which closes the pipe
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    logging.disable()
    equal(*WARM_UP)  # the first pair takes longer, since it builds the grammar
    print("ready", flush=True)
    for line in sys.stdin:
        answer, truth, limit_s = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, limit_s)
        reply = "yes" if equal(answer, truth) else "no"
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(reply, flush=True)


def equal(answer: str, truth: str) -> bool:
    """Whether two expressions are equal. One that can't be parsed equals no other."""
    given, right = read(answer), read(truth)
    try:
        return any(same(one, other) for one in given for other in right)
    except Exception:  # any error of sympy: then equality is not proved
        return False


def read(text: str) -> list[Basic]:
    """The expression, with exact fractions for decimals: floats are compared to six decimals."""
    found = parse(f"${text}$", [LATEX], fallback_mode="no_fallback", parsing_timeout=None)
    return [
        one.xreplace({number: Rational(str(number)) for number in one.atoms(Float)})
        for one in found
    ]


def same(one: Basic, other: Basic) -> bool:
    """Whether two expressions, or all their elements, provably have the same value.

    The comparison of ``math-verify`` itself cuts values at a fixed number of digits, so that any
    two small values are equal.
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
            return _same_elements(list(one.args), list(other.args))
    return False


def _differ(one: Expr, other: Expr) -> bool:
    """Whether the values differ at one point, to 15 digits. This is faster than a proof."""
    difference = one - other
    symbols = sorted(difference.free_symbols, key=str)
    point = {symbol: Rational(7 * i + 5, 11) for i, symbol in enumerate(symbols, start=1)}
    try:
        value = difference.subs(point).evalf(15, strict=True)
    except (PrecisionExhausted, NotImplementedError):  # 0, or too close to tell
        return False
    return bool(value.is_comparable and value != 0)


def _same_relation(one: Relational, other: Relational) -> bool:
    """Whether one is the other with its sides exchanged, or multiplied by a number (which must be
    positive, except for = and !=)."""
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


def _same_elements(ones: list[Basic], others: list[Basic]) -> bool:
    """Whether the elements match one to one, in any order."""
    for one in ones:
        partner = next((other for other in others if same(one, other)), None)
        if partner is None:
            return False
        others.remove(partner)
    return not others


if __name__ == "__main__":
    main()
