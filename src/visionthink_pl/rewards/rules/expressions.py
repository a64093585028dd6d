"""Which texts are exactly one mathematical expression."""

from __future__ import annotations

import math
import re

from visionthink_pl.rewards.rules.text import strip_final
from visionthink_pl.rewards.rules.units import canonical, is_unit

COMMANDS = (
    "frac|sqrt|pi|theta|alpha|beta|infty|emptyset|cup|cap|pm|cdot|times|div|"
    "lt|gt|le|leq|ge|geq|ne|neq|in|sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|log|ln"
)
SYMBOLS = {
    "×": r"\times ",
    "·": r"\cdot ",
    "÷": r"\div ",
    "π": r"\pi ",
    "∞": r"\infty ",
    "±": r"\pm ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "∈": r"\in ",
    "<=": r"\le ",
    ">=": r"\ge ",
    "!=": r"\ne ",
    r"\not=": r"\ne ",
    r"\leqslant": r"\le ",
    r"\geqslant": r"\ge ",
    "²": "^2",
    "³": "^3",
}
ROOT = re.compile(r"(?:√|\\?sqrt)\s*\(([^()]*)\)|√\s*(\d+(?:\.\d+)?|[a-zA-Z])")
SUBSCRIPT = re.compile(r"_\s*\{\s*(\w)\s*\}")
EXPRESSION = re.compile(
    rf"(?:\\(?:{COMMANDS})(?![a-zA-Z])|\\[{{}}]"
    r"|(?<![a-zA-Z])[a-zA-Z](?![a-zA-Z])|[-+*/^_=<>()\[\]{}|,.\d\s])+"
)
BRACKETED = r"[(\[]\s*[-+]?[\d.,]+\s*[)\]]"  # numbers alone
MISREAD = re.compile(
    r"(?<!_)\d\s+[\d.]"  # two numbers side by side
    rf"|(?<!_)\d\s*{BRACKETED}|{BRACKETED}\s*[\d(\[]"  # (123) 555-4567 is no product
    r"|\.\d*\.|(?<![\d.,])0\d"  # 1.2.3, and 007
    r"|[\d)\]}]\s*_"  # 11_2 is a number in base 2
    r"|(?<![a-zA-Z}\]^_\\])\{|\\sqrt\s*\d\d"  # braces without a command; \sqrt12 is the root of 1
    r"|=.*="
    r"|\^\s*\{[^{}]*\^\s*\{[^{}]*\^"  # nested powers, too large for any computer
    r"|[)\]}]\s*,\s*([(\[]|\\\{)",  # several collections, whose order math-verify ignores
    re.DOTALL,
)
OPERATOR = re.compile(r"[-+*/^=<>]|\\[a-z]")
OUTER = re.compile(r"\(([^(),]*)\)|\[([^\[\],]*)\]")
# Dates, spans of years, scores, sizes: 2019-2020 is not -1, and 3 x 4 not 12.
JOINED = re.compile(r"[-+]?[\d.,]+(\s*([-/*]|\\times|\\cdot)\s*[\d.,]+)+")
FRACTION = re.compile(r"[-+]?(\d{1,9})\s*/\s*(\d{1,9})")
# A unit of one letter may be a variable.
MEASURED = re.compile(
    r"(.*(?:[\d})]|\\pi))\s*((?:[a-zA-Z]{2,}|%)(?:[ /][a-zA-Z]+)*(?:\^?[23])?)", re.DOTALL
)


def clean(text: str) -> str:
    """The text with LaTeX commands for symbols, and roots and subscripts written in one way."""
    text = strip_final(text.strip())
    for symbol, latex in SYMBOLS.items():
        text = text.replace(symbol, latex)
    text = SUBSCRIPT.sub(r"_\1", text)
    return ROOT.sub(lambda root: rf"\sqrt{{{root[1] or root[2]}}}", text).strip()


def is_expression(text: str) -> bool:
    """Whether a whole text is one expression and can't be read in another way.

    A text with letters needs an operator: B2 may be a gate, and H2O is no product.
    """
    if not EXPRESSION.fullmatch(text) or MISREAD.search(text) or _is_joined(text):
        return False
    return OPERATOR.search(text) is not None or not re.search(r"[a-zA-Z]", text)


def split_unit(text: str) -> tuple[str, str]:
    """An expression and the name of its unit in ``units``; ``""`` if it has none."""
    match = MEASURED.fullmatch(text)
    unit = canonical(match[2]) if match else ""
    return (match[1], unit) if match and is_unit(unit) else (text, "")


def _is_joined(text: str) -> bool:
    """Whether signs between numbers may be no operators: 1/2 is a number, 6/12 may be a date."""
    outer = OUTER.fullmatch(text)
    inner = (outer[1] or outer[2] or "").strip() if outer else text
    if (fraction := FRACTION.fullmatch(inner)) is None:
        return JOINED.fullmatch(inner) is not None
    above, below = int(fraction[1]), int(fraction[2])
    return below < 2 or math.gcd(above, below) > 1
