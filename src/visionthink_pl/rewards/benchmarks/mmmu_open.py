"""MMMU's rule for answers without options (``eval_utils.py: parse_open_response, eval_open``)."""

from __future__ import annotations

import re

SAYS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
SAID = re.compile("|".join(SAYS))
TRIVIAL = tuple(":,.!?;'")
# None begins within digits: if it fails at the first of them, it does so at each, in as many steps.
NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),  # 12,500
    re.compile(r"-?(?<!\d)\d+(?:\.\d+)?[eE][+-]?\d+"),  # 1.2e-3
    re.compile(r"-?(?:(?<!\d)\d+\.\d+|\.\d+|(?<!\d)\d+\b)(?![eE][+-]?\d+)(?![,\d])"),
)
Value = str | float


def is_right_open(answer: str, truth: str) -> bool:
    """Whether a number that the answer comes to is the truth, to two decimals, or a text that it
    comes to contains the truth."""
    right = _values(truth)
    return any(
        any(isinstance(one, str) and one in value for one in right)
        if isinstance(value, str)
        else value in right
        for value in _candidates(answer)
    )


def _candidates(answer: str) -> list[Value]:
    """What each line comes to, and the numbers in it."""
    whole = answer.strip().strip(".").lower()
    *lines, final = whole.split("\n")
    # Many lines may hold no such word, or be the same.
    said = dict.fromkeys(line for line in lines if SAID.search(line))
    ends = [_end(line, SAYS) for line in said] + [_end(final, (*SAYS, "="))]
    ends = [end for end in ends if end and end not in TRIVIAL] or [whole]
    numbers = {found for end in ends for form in NUMBERS for found in form.findall(end)}
    return [value for text in (*ends, *numbers) for value in _values(text)]


def _end(line: str, words: tuple[str, ...]) -> str:
    """The shortest text behind the last of any of the words; empty if none of them is there. After
    a word with nothing behind it, the search for the shortest begins anew."""
    shortest = ""
    for word in words:
        if word in line:
            end = line.rsplit(word, 1)[-1].strip()
            shortest = end if not shortest or len(end) < len(shortest) else shortest
    return shortest


def _values(text: str) -> list[Value]:
    """A text as it is compared: a number to two decimals, or lower case. A single character counts
    only beside a blank."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        text = text.lower()
    return [f" {text}", f"{text} "] if len(text) == 1 else [text]
