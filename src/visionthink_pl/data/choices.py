"""Multiple choice: options as lettered lines, and the letter of the right one."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.cells import empty
from visionthink_pl.data.numerals import is_number, numeral
from visionthink_pl.data.texts import abbreviated

LETTERS = "ABCDEFGHIJ"  # the letters that the rule for choices knows


def with_options(question: str, options: Sequence[str]) -> str:
    """The question followed by its options, one lettered line each."""
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines])


def written_list(values: list[Any]) -> list[Any]:
    """The values; of a single text that is a list as Python writes it, the values in that list.

    Raises:
        BadRow: the text begins like a list, but is none.
    """
    if len(values) != 1 or not isinstance(values[0], str) or not values[0].lstrip().startswith("["):
        return values
    try:
        found = ast.literal_eval(values[0].strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise BadRow(f"options can't be read: {abbreviated(values[0])} is no list") from error
    return found if isinstance(found, list) else values


def right_option(options: Sequence[str], answer: object, letters: bool = False) -> str:
    """The right option as ``B. its text``, which both the rules and a judge can check.

    Args:
        options: their texts, in order.
        answer: an index counted from 0, an option's text or its letter (``B``, ``b``, ``(B)``);
            ``None`` or blank if there is no answer; or a list of these that all refer to the same
            option.
        letters: a letter is never an option's text.

    Raises:
        BadRow: there are too few or too many options, one is empty, or the answer refers to none
            of them or to two.
    """
    if not 2 <= len(options) <= len(LETTERS):
        raise BadRow(f"wrong number of options: {len(options)}; from 2 to {len(LETTERS)}")
    for letter, option in zip(LETTERS, options, strict=False):
        if not option.strip():
            raise BadRow(f"option {letter} is empty")
    given = [one for one in (answer if isinstance(answer, list) else [answer]) if not empty(one)]
    if not given:
        return ""
    possible = [_indices(options, one, letters) for one in given]
    named = set().union(*possible)
    if len(named) != 1 or not all(possible):
        found = "no option" if not all(possible) else "two options"
        raise BadRow(
            f"answer names {found}: {abbreviated(answer)} of {', '.join(map(repr, options))}"
        )
    (index,) = named
    return f"{LETTERS[index]}. {options[index]}"


def _indices(options: Sequence[str], answer: object, letters: bool) -> set[int]:
    """Indices of the options that an answer may refer to."""
    indices = range(len(options))
    if is_number(answer):
        by_index = {index for index in indices if index == answer}
        answer = numeral(answer)
        if by_index or not answer.partition(".")[2].strip("0"):  # a whole number is an index
            return by_index
    text = str(answer).strip()
    by_text = {index for index in indices if options[index].strip() == text}
    letter = text.strip("().:").upper()
    by_letter = {LETTERS.index(letter)} if len(letter) == 1 and letter in LETTERS else set()
    if letters and by_letter:
        return by_letter & set(indices)
    return by_text | (by_letter & set(indices))
