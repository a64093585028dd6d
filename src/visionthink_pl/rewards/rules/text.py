"""Comparison of words, without wrapping such as quotes and Markdown."""

from __future__ import annotations

import re

from visionthink_pl.rewards.rules.characters import fold
from visionthink_pl.rewards.rules.latex import DEEPEST, FONT, plain_latex

LONGEST = 2000  # characters of a text that the rules read; answers and truths are shorter
FINAL = " .,;:!?。、।॥؟،؛۔։።။។།"  # dropped from the end of an answer
OPENING = "¡¿"  # dropped from its beginning
# This punctuation has a meaning: a factorial, and a sequence or a decimal that continues.
KEPT = re.compile(r"(?:\d|\)|^[a-zA-Z])!\W*$|[\d,]\s*\.\.[\s.]*$")
# Only a leading article: otherwise the "A" of "vitamin A" would be removed. Before a number, a
# letter or (as a capital) a name, an A may be the letter of a choice.
ARTICLE = re.compile(r"^(?:(?i:an|the)|a(?= [^\W\d_]{2})|A(?= [^\W\d_]{2})(?! [A-Z])) ")
BOLD = re.compile(r"(?<![\w*])\*\*(?!\s)([^*]+)(?<!\s)\*\*(?![\w*])")
PAIRS = (
    ("$$", "$$"),
    ("$", "$"),
    (r"\(", r"\)"),
    (r"\[", r"\]"),
    ("**", "**"),
    ("*", "*"),
    ("__", "__"),
    ("_", "_"),
    ("```", "```"),
    ("`", "`"),
    ('"', '"'),
    ("'", "'"),
    ("«", "»"),
    ("「", "」"),
    ("『", "』"),
    ("《", "》"),
    ("【", "】"),
)
COMMAND = re.compile(rf"(?:\\(?:boxed|fbox)\s*|{FONT})\{{(.*)\}}", re.DOTALL)


def plain(text: str) -> str:
    """A text as the rules compare it: without formatting."""
    return unwrap(BOLD.sub(r"\1", plain_latex(unwrap(fold(text)))))


def same_text(answer: str, truth: str) -> bool:
    """Whether both are the same words; ``normalise`` says what is ignored."""
    return normalise(answer) == normalise(truth)


def normalise(text: str) -> str:
    """Lower case, single spaces, no leading article, no final punctuation; of a text of more than
    2,000 characters single spaces alone.

    A text that would become empty, such as ``?``, is kept: otherwise any two of them would match.
    """
    if len(text) > LONGEST:
        return " ".join(text.split())
    words = " ".join(fold(text).split())
    bare = strip_final(words).lstrip(OPENING)
    return (ARTICLE.sub("", bare) if bare else words).casefold()


def strip_final(text: str) -> str:
    """The text without final punctuation, unless this has a meaning: ``3!``, ``1, 2, ...``."""
    return text if KEPT.search(text) else text.rstrip(FINAL)


def unwrap(text: str) -> str:
    r"""The text without LaTeX, Markdown or quotes around the whole of it: ``$\boxed{7}$``.

    Two boxes side by side are two answers, and are kept.
    """
    for _ in range(DEEPEST):
        inner = _unwrap_once(strip_final(text.strip()))
        if inner is None:
            break
        text = inner
    return text


def _unwrap_once(text: str) -> str | None:
    if (command := COMMAND.fullmatch(text)) and _is_balanced(command[1]) and command[1].strip():
        return command[1]
    for opening, closing in PAIRS:
        inner = text.removeprefix(opening).removesuffix(closing)
        both = len(inner) == len(text) - len(opening) - len(closing)
        if both and inner.strip() and not _closes(inner, closing):
            return inner
    return None


def _closes(inner: str, closing: str) -> bool:
    r"""Whether the marks do not enclose the whole: ``__init__`` is a name, and in ``"7" or "3"``
    the first pair ends earlier."""
    a_name = closing.strip("_") == "" and inner.isidentifier() and inner.islower()
    return a_name or closing in inner.replace(r"\$", "")


def _is_balanced(inner: str) -> bool:
    """Whether all braces in the text are balanced."""
    depth = 0
    for character in inner:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0
