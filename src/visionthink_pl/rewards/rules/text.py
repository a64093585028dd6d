"""The same words, and what may be wrapped around them."""

from __future__ import annotations

import re

FINAL = " .,;:!?"  # dropped from the end of an answer
# A leading article only: within a phrase the "a" of "vitamin A" would go with the others.
ARTICLE = re.compile(r"^(a|an|the) ")
DEEPEST = 8  # wrappers in each other; a model that repeats itself writes thousands
WRAPPERS = (
    ("$$", "$$"),
    ("$", "$"),
    (r"\(", r"\)"),
    (r"\[", r"\]"),
    (r"\boxed{", "}"),
    (r"\text{", "}"),
    (r"\mathrm{", "}"),
)


def same_text(answer: str, truth: str) -> bool:
    """Whether both are the same words; see ``normalise`` for what is set aside."""
    return normalise(answer) == normalise(truth)


def normalise(text: str) -> str:
    """Lower case, single spaces, no leading article, no final punctuation.

    A text that would have nothing left, such as ``?``, keeps what it has: else any two would match.
    """
    words = " ".join(text.casefold().split())
    bare = words.rstrip(FINAL)
    return ARTICLE.sub("", bare) if bare else words


def unwrap(text: str) -> str:
    r"""The text without the LaTeX around the whole of it, as in ``$\boxed{7}$``.

    Two boxes side by side are two answers, and stay as they are.
    """
    for _ in range(DEEPEST):
        inner = _unwrap_once(text.strip().rstrip(FINAL))
        if inner is None:
            break
        text = inner
    return text


def _unwrap_once(text: str) -> str | None:
    for opening, closing in WRAPPERS:
        inner = text.removeprefix(opening).removesuffix(closing)
        both = len(inner) == len(text) - len(opening) - len(closing)
        if both and inner.strip() and _is_one(inner, closing):
            return inner
    return None


def _is_one(inner: str, closing: str) -> bool:
    """Whether the opening and the closing around this belong together."""
    if closing != "}":
        return closing not in inner
    depth = 0
    for character in inner:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0
