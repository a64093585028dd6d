"""Run as a script by ``math_process``: a pair of texts a line in, yes or no a line out.

Imports nothing of the package, so that it starts in the time that sympy takes. What is limited is
the processor's time: by the clock, any pair can take long on a busy machine.
"""

from __future__ import annotations

import json
import logging
import signal
import sys

from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify
from sympy import Basic, Float, Rational

WARM_UP = ("(x+1)(x-1)", "x^2-1")
# Its unit and equation clean-ups drop what tells two answers apart.
LATEX = LatexExtractionConfig(
    boxed_match_priority=-1,
    normalization_config=NormalizationConfig(malformed_operators=True, boxed="none"),
)


def main() -> None:
    """Say "ready", then answer each line of standard input until it is closed.

    A line is an answer, a truth, and the seconds of processor time that they may take. When these
    run out, the signal's default action ends the process, even within a single step in C.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the trainer, which closes the pipe
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    logging.disable()
    equal(*WARM_UP)  # the first pair takes longer than the others: the grammar is built with it
    print("ready", flush=True)
    for line in sys.stdin:
        answer, truth, limit_s = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, limit_s)
        reply = "yes" if equal(answer, truth) else "no"
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(reply, flush=True)


def equal(answer: str, truth: str) -> bool:
    """Whether the two expressions are equal; one that can't be read equals nothing."""
    given, right = read(answer), read(truth)
    # What is smaller than this many digits is 0 to it: by default all below 1e-15 are equal.
    return bool(verify(right, given, numeric_precision=50, timeout_seconds=None))


def read(text: str) -> list[Basic]:
    """The expression, with exact fractions for decimals: floats are compared by six decimals."""
    found = parse(f"${text}$", [LATEX], fallback_mode="no_fallback", parsing_timeout=None)
    return [
        one.xreplace({number: Rational(str(number)) for number in one.atoms(Float)})
        for one in found
    ]


if __name__ == "__main__":
    main()
