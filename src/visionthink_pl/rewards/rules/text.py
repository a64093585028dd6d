"""Comparison of words, without wrapping such as quotes and Markdown."""

from __future__ import annotations

import re

from visionthink_pl.rewards.rules.characters import fold
from visionthink_pl.rewards.rules.latex import DEEPEST, FONT, plain_latex

FINAL = " .,;:!?。、।॥؟،؛۔։።။។།"  # dropped from the end of an answer
OPENING = "¡¿"  # dropped from its beginning
# What ends here says something: a factorial, and a sequence or a decimal that goes on.
KEPT = re.compile(r"(?:\d|\)|^[a-zA-Z])!\W*$|[\d,]\s*\.\.[\s.]*$")
# A leading article only: within a phrase the "a" of "vitamin A" would go with the others. Before a
# number, a letter or (as a capital) a name, an A may be the letter of a choice.
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
    """A text as the rules compare it: without what only says how it looks."""
    return unwrap(BOLD.sub(r"\1", plain_latex(unwrap(fold(text)))))


def same_text(answer: str, truth: str) -> bool:
    """Whether both are the same words; see ``normalise`` for what is set aside."""
    return normalise(answer) == normalise(truth)


def normalise(text: str) -> str:
    """Lower case, single spaces, no leading article, no final punctuation.

    A text that would have nothing left, such as ``?``, keeps what it has: else any two would match.
    """
    words = " ".join(fold(text).split())
    bare = strip_final(words).lstrip(OPENING)
    return (ARTICLE.sub("", bare) if bare else words).casefold()


def strip_final(text: str) -> str:
    """Without final punctuation, except where it is part of what is said: ``3!``, ``1, 2, ...``."""
    return text if KEPT.search(text) else text.rstrip(FINAL)


def unwrap(text: str) -> str:
    r"""The text without the LaTeX, Markdown or quotes around the whole: ``$\boxed{7}$``.

    Two boxes side by side are two answers, and stay as they are.
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
    r"""Whether the pair is none, or ends before the end: ``__init__``, and ``"7" or "3"``."""
    a_name = closing.strip("_") == "" and inner.isidentifier() and inner.islower()
    return a_name or closing in inner.replace(r"\$", "")


def _is_balanced(inner: str) -> bool:
    """Whether each brace within belongs to another one within."""
    depth = 0
    for character in inner:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0
