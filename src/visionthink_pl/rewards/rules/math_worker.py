"""Run as a script by ``math_process``: a pair of texts a line in, yes or no a line out.

Imports nothing of the package, so that it starts in the time that sympy takes.
"""

from __future__ import annotations

import json
import logging
import signal
import sys

from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify
from sympy import Basic, Float, Rational

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
    # What is smaller than this many digits is 0 to it: by default all below 1e-15 are equal.
    return bool(verify(right, given, numeric_precision=50, timeout_seconds=STEP_S))


def read(text: str) -> list[Basic]:
    """The expression, with exact fractions for decimals: floats are compared by six decimals."""
    found = parse(f"${text}$", [LATEX], fallback_mode="no_fallback", parsing_timeout=STEP_S)
    return [
        one.xreplace({number: Rational(str(number)) for number in one.atoms(Float)})
        for one in found
    ]


if __name__ == "__main__":
    main()
