"""Which option an answer in free text names: the ways of the harnesses, as they are published.

Each returns a letter, or ``None`` where it finds none: there is never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from string import ascii_uppercase

from visionthink_pl.types import VQASample

Options = Mapping[str, str]  # texts by letter

# For ``ranked``: marks around a letter and what they are worth.
MARKS = {"({})": 6, "{}.": 5, "{}:": 4, "{})": 3, "{} ": 2}
AT_START, AT_END, BEHIND_WORDS = 10, 9, 7
_KINDS = "answer,correct answer,best answer,correct option,best option,choice,correct choice"
WORDS = (
    *(f"{start}{kind} is" for kind in _KINDS.split(",") for start in ("", "the ")),
    *("i choose", "i select", "i pick", "my answer is", "my choice is"),
    *("옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは"),
)
# For ``inferred``: what may stand directly around a letter, in the order in which it is tried.
ROUND = (
    *("{}.", "{},", "{}:", "{})", "{}).", "({})", "({})."),
    *(":{}", ":{},", ":{}.", ":{})", ":{})."),
)
FIVE = "ABCDE"
# For ``single``. No boundary follows the letter, as in VLMEvalKit's own.
SAID = re.compile(r"answer\s+is\s+\**([A-D])", re.IGNORECASE)
BLANKS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
NEAR_END = 4  # words
ENDS = ",.!?;:'"  # taken off both ends of an answer, one after the other
SENTENCE = 5  # words; only in a longer answer an option's text is looked for


def options_of(sample: VQASample) -> dict[str, str]:
    """The options by letter."""
    return dict(zip(ascii_uppercase, sample.options, strict=False))


def truth_letter(sample: VQASample) -> str:
    """The letter of the right option: the ground truth is that letter, or begins with it."""
    return sample.answer.strip().partition(".")[0].upper()


def ranked(answer: str, letters: Iterable[str]) -> str | None:
    """The letter in the most telling form, and of several in the same form the last one
    (lmms-eval's ``_task_utils/mcq_extract.py: extract_mcq_answer``).

    The forms, from the most telling on: at the start; at the end; behind words such as "the answer
    is"; ``(B)``, ``B.``, ``B:``, ``B)``, and before a blank; at last anywhere.
    """
    bare = answer.strip()
    for mark in f'{ENDS}"':
        bare = bare.strip(mark)
    text, bare = f" {bare} ", bare.strip()
    found = [
        (worth, place, letter)
        for letter in letters
        for worth, place in _forms(text, bare, letter)
        if place >= 0
    ] or [(0, text.rfind(letter), letter) for letter in letters if letter in text]
    return max(found)[2] if found else None


def _forms(text: str, bare: str, letter: str) -> list[tuple[int, int]]:
    """What each form in which a letter may stand is worth, and its place, -1 for none."""
    forms = [(worth, text.rfind(form.format(letter))) for form, worth in MARKS.items()]
    lower = text.lower()
    for words in WORDS:
        if (place := lower.find(words)) >= 0:
            forms.append((BEHIND_WORDS, text.find(letter, place + len(words))))
    if bare.startswith(letter) and not bare[1:2].isalpha():
        forms.append((AT_START, 0))
    if bare.endswith(letter) and not bare[-2:-1].isalpha():
        forms.append((AT_END, len(text) - 1))
    return forms


def inferred(answer: str, options: Options) -> str | None:
    """The only letter among the words, bare or with marks around it; else the only option whose
    text stands in the answer (lmms-eval's ``mmbench_evals.py: can_infer``).

    A bare A in an answer of more than three words may be the article, and says nothing.
    """
    words = answer.split()
    bare = [letter for letter in FIVE if letter in words]
    if len(bare) == 1 and not ("A" in bare and len(words) > 3):
        return bare[0]
    for form in ROUND:
        marked = [letter for letter in FIVE if form.format(letter) in words]
        if len(marked) == 1:
            return marked[0]
    return _contained(answer, options)


def single(answer: str, options: Options) -> str | None:
    """The only letter of an option among the words, within the last four; else the letter behind
    "answer is"; else the only option whose text stands in an answer that is no longer than twice
    the options (VLMEvalKit's ``matching_util.py: can_infer``)."""
    words = answer.translate(BLANKS).split()
    alone = [letter for letter in options if letter in words]
    if len(alone) == 1 and words.index(alone[0]) >= len(words) - NEAR_END:
        return alone[0]
    if (said := SAID.search(answer)) and said[1].upper() in options:
        return said[1].upper()
    short = len(answer) <= 2 * sum(map(len, options.values()))
    return _contained(answer, options) if short else None


def last(answer: str, options: Options) -> str | None:
    """The last letter in brackets; else before a blank; else before a point; else, in an answer of
    more than five words, the option whose text comes last (MMMU's ``eval_utils.py:
    parse_multi_choice_response``).

    Letters before a blank or a point are ordered by their last place between two blanks, and those
    that have none come first, in the order of the letters.
    """
    for mark in ENDS:
        answer = answer.strip(mark)
    text = f" {answer} "
    for form, place in (("({})", "({})"), ("{} ", " {} "), ("{}.", " {} ")):
        named = [letter for letter in options if form.format(letter) in text]
        if named:
            return max(named, key=lambda letter: text.rfind(place.format(letter)))  # noqa: B023
    lower = text.lower()
    if len(answer.split()) <= SENTENCE:
        return None
    told = [letter for letter, option in options.items() if option.lower() in lower]
    return max(told, key=lambda letter: lower.rfind(options[letter].lower()), default=None)


def exact(answer: str, options: Options) -> str | None:
    """The whole answer, if it is a letter and nothing else (lmms-eval in MMMU-Pro's ``vision``)."""
    return answer if answer in options else None


def _contained(answer: str, options: Options) -> str | None:
    """The only option whose text stands in the answer, whatever its case."""
    lower = answer.lower()
    found = [letter for letter, text in options.items() if text.lower() in lower]
    return found[0] if len(found) == 1 else None
