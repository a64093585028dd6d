"""Choice letters, with or without the option's text.

Letters end at J: the largest data sets have ten options, and later letters are more likely to be
initials. "E. coli" is still read as option E.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from visionthink_pl.rewards.rules.numbers import differ_in_unit, quantity
from visionthink_pl.rewards.rules.text import same_text, unwrap

LETTER = re.compile(r"\(?([a-j])[).:]*", re.IGNORECASE)  # B, (B), B), B. or B:
OPTION = re.compile(r"\(?([a-j])[).:]+\s+(\S.*)", re.IGNORECASE | re.DOTALL)
# The text after the letter is another letter, or contains another marked option: two choices.
SECOND = re.compile(
    r"((or|and|not)\s+)?\(?[a-j]\W*|(.*\s)?\(?[a-j][).:]+\s.*", re.IGNORECASE | re.DOTALL
)


A_WORD = re.compile(r"a\s", re.IGNORECASE)  # the article, or option A without its mark


class Choice(NamedTuple):
    """An option's letter in lower case and its text, which is empty if there is only the letter."""

    letter: str
    text: str


def same_choice(answer: str, truth: str) -> bool:
    """Whether the answer names the option of the truth.

    If the truth is a letter alone, any text may follow the right letter. If the truth has a text,
    the answer may be the letter, the text, or both; then both must be right.
    """
    right, chosen = choice(truth), choice(answer)
    if right is None:
        return False
    if chosen is None:
        stray = A_WORD.match(answer) and not A_WORD.match(right.text)
        return bool(right.text) and not stray and _same_option(answer, right.text)
    if chosen.letter != right.letter:
        return False
    if not right.text or not chosen.text:
        # If an option's text is itself a letter, a letter alone may refer to either.
        return not SECOND.fullmatch(chosen.text or right.text)
    return _same_option(chosen.text, right.text)


def choice(text: str) -> Choice | None:
    """The option that a text names; ``None`` if it does not begin with an option's letter."""
    text = text.strip()
    if letter := LETTER.fullmatch(text):
        return Choice(letter[1].lower(), "")
    if option := OPTION.fullmatch(text):
        return Choice(option[1].lower(), unwrap(option[2]))
    return None


def _same_option(answer: str, truth: str) -> bool:
    """Units must be equal here: two options may differ in nothing else."""
    if differ_in_unit(answer, truth):
        return False
    given = quantity(answer)
    return same_text(answer, truth) or (given is not None and given == quantity(truth))
