"""Multiple choice: options as lettered lines, and what the right answer is then."""

from __future__ import annotations

from collections.abc import Sequence

from visionthink_pl.data.bad_rows import BadRow

LETTERS = "ABCDEFGHIJ"  # the letters that the rule for choices knows


def with_options(question: str, options: Sequence[str]) -> str:
    """The question with its options under it, a lettered line each."""
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines])


def right_option(options: Sequence[str], answer: object) -> str:
    """The right option as ``B. its text``, which both the rules and a judge can check.

    Args:
        options: their texts, in order.
        answer: an index counted from 0, an option's text, or its letter (``B``, ``b``, ``(B)``);
            ``None`` or blank where there is none.

    Raises:
        BadRow: too few options or too many, an empty one, or the answer names none of them, or
            two.
    """
    if not 2 <= len(options) <= len(LETTERS):
        raise BadRow(f"wrong number of options: {len(options)}; from 2 to {len(LETTERS)}")
    for letter, option in zip(LETTERS, options, strict=False):
        if not option.strip():
            raise BadRow(f"option {letter} is empty")
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        return ""
    named = _named(options, answer)
    if len(named) != 1:
        found = "two options" if named else "no option"
        raise BadRow(f"answer names {found}: {answer!r} of {', '.join(map(repr, options))}")
    (index,) = named
    return f"{LETTERS[index]}. {options[index]}"


def _named(options: Sequence[str], answer: object) -> set[int]:
    """Indices of the options that an answer may mean."""
    if isinstance(answer, int) and not isinstance(answer, bool):
        return {answer} & set(range(len(options)))
    text = str(answer).strip()
    by_text = {index for index, option in enumerate(options) if option.strip() == text}
    letter = text.strip("().:").upper()
    by_letter = {LETTERS.index(letter)} if len(letter) == 1 and letter in LETTERS else set()
    return by_text | (by_letter & set(range(len(options))))
