r"""Removal of LaTeX that only formats a text: spaces, fonts, sizes, ``\%`` for %."""

from __future__ import annotations

import re

DEEPEST = 8  # nested commands; a model that repeats itself writes thousands
FONT = (
    r"\\(?:text(?:bf|it|rm|sf|tt|sc|up|md|normal)?|math(?:bf|it|rm|sf|tt|normal)|boldsymbol|bm|"
    r"operatorname|emph|mbox|hbox|underline|rm|bf|it)\s*"
)
STYLED = re.compile(FONT + r"\{([^{}]*)\}")
SWITCHED = re.compile(r"\{\s*\\(?:rm|bf|it|sf|tt)(?![a-zA-Z])\s*([^{}]*)\}")  # {\rm cm}
REWRITTEN = [
    (re.compile(pattern), written)
    for pattern, written in (
        (r"\\\\(?=[a-zA-Z])", r"\\"),  # escaped twice
        (r"\\!\s*|\\(?:displaystyle|textstyle|limits)(?![a-zA-Z])", ""),
        (r"\\(?:left|right|[bB]igg?[lrm]?)(?![a-zA-Z])", ""),
        (r"\{,\}", ","),
        (r"(?<=\d)\\[,;: ](?=\d{3}(?!\d))", ","),  # a thin space that groups thousands
        (r"\\[,;: ]|\\q?quad(?![a-zA-Z])|\\(?:thin|en)space(?![a-zA-Z])", " "),
        (r"(?<=[\d}])~(?=[\\a-zA-Z])", " "),  # elsewhere it means "about"
        (r"(?:\{\})?\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![a-zA-Z]))|\\degree(?![a-zA-Z])", "°"),
        (r"\\([%$#&])", r"\1"),
        (r"\\(?:[dtcs]|nice)frac(?![a-zA-Z])", r"\\frac"),
        (r"\\frac\s*(\d)", r"\\frac{\1}"),  # \frac12 and \frac1{2}
        (r"(\\frac\{[^{}]*\})\s*(\d)", r"\1{\2}"),
        (r"(?<![\\\w$])\$(?!\s)([^$]+)(?<!\s)\$(?![\w$])", r"\1"),  # $125$ miles
    )
]


def plain_latex(text: str) -> str:
    """The text without such LaTeX. A text without backslashes and braces rarely changes."""
    for pattern, written in REWRITTEN:
        text = pattern.sub(written, text)
    text = SWITCHED.sub(r" \1", text)
    for _ in range(DEEPEST):
        text, found = STYLED.subn(r" \1", text)
        if not found:
            break
    return text
