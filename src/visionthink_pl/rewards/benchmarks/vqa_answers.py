"""How VQA's own evaluation reads answers, before it compares them with those of people.

Antol et al., ICCV 2015, with the tables of their evaluation code (``vqaEval.py`` of
GT-Vision-Lab/VQA); EvalAI's server splits words first.
"""

from __future__ import annotations

import re

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
GROUPED = re.compile(r"\d,\d")
PERIOD = re.compile(r"\.(?!\d)")  # but in a decimal
ARTICLES = {"a", "an", "the"}
NUMBERS = "zero one two three four five six seven eight nine ten"
DIGITS = {word: str(value) for value, word in enumerate(NUMBERS.split())} | {"none": "0"}
_WITH_APOSTROPHES = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't
haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't
mightn't've must've mustn't needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've
shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've someone'll
someone's something'd something'd've something'll that's there'd there'd've there're there's
they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's
what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't
would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've
"""


def _without_one(word: str) -> list[str]:
    """The word without one of its apostrophes, each in turn."""
    places = [place for place, letter in enumerate(word) if letter == "'"]
    return [word[:place] + word[place + 1 :] for place in places]


CONTRACTIONS = {
    short: word for word in _WITH_APOSTROPHES.split() for short in _without_one(word)
} | {"somebody'd": "somebodyd"}  # so in the original


def processed(text: str, tokenise: bool = True) -> str:
    """An answer as it is compared: lower case, no articles, digits for numbers in words, no
    punctuation but apostrophes, colons and decimal points.

    Args:
        text: the answer.
        tokenise: first drop commas and question marks and split off a possessive, as EvalAI does.
    """
    if tokenise:
        text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    text = without_punctuation(text.replace("\n", " ").replace("\t", " ").strip())
    words = [DIGITS.get(word, word) for word in text.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def without_punctuation(text: str) -> str:
    """A mark beside a blank vanishes, any other becomes a blank; where a number is grouped by a
    comma, all vanish."""
    grouped = GROUPED.search(text) is not None
    out = text
    for mark in PUNCTUATION:
        vanishes = grouped or f"{mark} " in text or f" {mark}" in text
        out = out.replace(mark, "" if vanishes else " ")
    return PERIOD.sub("", out)
