"""The rules, one row a case."""

import pytest

from helpers import make_group, make_trajectory
from visionthink_pl.rewards import RuleAccuracy
from visionthink_pl.rewards.accuracy import matches, normalise
from visionthink_pl.types import StopReason

RIGHT = [
    ("red", "red", "the same string"),
    ("Red", "rED", "case"),
    (" red\n", "red", "white space around"),
    ("red", " red ", "white space around the truth"),
    ("dark  \n red", "dark red", "white space within"),
    ("red.", "red", "final punctuation"),
    ("red", "red.", "final punctuation of the truth"),
    ("red !", "red", "punctuation behind a space"),
    ("the red one", "red one", "leading article"),
    ("red one", "A red one", "leading article of the truth"),
    ("An apple", "apple", "the article an"),
    ("The", "the", "an article that is the whole answer"),
    ("?", "?", "punctuation that is the whole answer"),
    ("straße", "STRASSE", "case that is more than lower()"),
    ("1,000", "1000", "grouped thousands"),
    ("1000.0", "1,000", "decimals that add nothing"),
    ("1,234,567.50", "1234567.5", "several groups and decimals"),
    ("3.0", "3", "a whole number with decimals"),
    ("3.", "3.0", "a number that ends a sentence"),
    ("+3", "3", "a plus sign"),
    ("-0.5", "-.5", "no digit before the point"),
    ("50%", "50%", "a percent sign on both sides is the same string"),
    ("b", "B", "choice letter in lower case"),
    ("B", "b", "choice letter of the truth in lower case"),
    ("(B)", "B", "choice letter in brackets"),
    ("B.", "B", "choice letter and a full stop"),
    ("B:", "B", "choice letter and a colon"),
    ("B) the red one", "B", "choice letter and its text"),
    ("(B) the red one", "B", "choice letter in brackets and its text"),
    ("B. two\nlines", "B", "choice letter and a text of two lines"),
    ("B", "(B)", "the truth may stand in brackets"),
    (" (b) ", "B", "choice letter and white space around"),
]

WRONG = [
    ("blue", "red", "another word"),
    ("", "red", "an empty answer"),
    ("red and blue", "red", "the truth and more"),
    ("infrared", "red", "the truth within a word"),
    ("red", "red car", "part of the truth"),
    ("redcar", "red car", "white space is not dropped"),
    ("vitamin deficiency", "vitamin a deficiency", "an article that does not lead"),
    ("another", "other", "an article within a word"),
    ("?", "!", "punctuation is not dropped when nothing is left"),
    ("3", "31", "a digit of the number"),
    ("31", "3", "a digit too many"),
    ("3.1", "3", "decimals that add something"),
    ("-3", "3", "the sign"),
    ("1,00", "100", "a comma that groups no thousands"),
    ("0.3333", "0.33333", "numbers are exact"),
    ("3 or 4", "3", "two numbers"),
    ("3 apples", "3", "a number and a unit"),
    ("50%", "50", "a percent sign is part of the answer"),
    ("+", "-", "signs are no numbers"),
    ("C", "B", "another letter"),
    ("A dog", "A", "an article is no choice"),
    ("Because", "B", "a word that begins with the letter"),
    ("B or C", "B", "two letters"),
    ("A) B) C)", "B", "only the first letter is the choice"),
    ("red B", "B", "the letter behind its text"),
    ("B", "B) the red one", "the truth is more than a letter"),
    ("B) red", "blue", "no choice letter in the truth"),
    ("3)", "4", "a digit is no choice letter"),
]


@pytest.mark.parametrize(("answer", "truth", "why"), RIGHT)
def test_right(answer: str, truth: str, why: str) -> None:
    assert matches(answer, truth), why


@pytest.mark.parametrize(("answer", "truth", "why"), WRONG)
def test_wrong(answer: str, truth: str, why: str) -> None:
    assert not matches(answer, truth), why


def test_normalise_to_the_letter() -> None:
    assert normalise("  The  RED\tcar. ") == "red car"
    assert normalise("!?") == "!?"


def test_scores_the_extracted_answer_and_nothing_else() -> None:
    group = make_group(
        [
            make_trajectory("7"),
            make_trajectory("8"),
            make_trajectory(None, stop=StopReason.NO_ANSWER),  # no answer is wrong, not unknown
            make_trajectory("7", stop=StopReason.OUT_OF_TOKENS),  # the stop reason plays no part
        ],
        truth="7",
    )
    assert RuleAccuracy().score(group, {}) == [1.0, 0.0, 0.0, 1.0]


def test_name_and_weight() -> None:
    assert RuleAccuracy.name == "accuracy"  # the resize penalty looks it up
    assert RuleAccuracy().weight == 1.0
    assert RuleAccuracy(weight=2.0).weight == 2.0
