"""Multiple choice: what is asked, what is right, and that the rules agree."""

from decimal import Decimal

import numpy as np
import pytest

from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.choices import right_option, with_options
from visionthink_pl.rewards.accuracy import matches

ANIMALS = ["a cat", "a dog", "a hen"]


def test_options_stand_under_the_question() -> None:
    asked = with_options("What is it?", ANIMALS)
    assert asked == "What is it?\nA. a cat\nB. a dog\nC. a hen"


RIGHT = [
    (ANIMALS, 1, "B. a dog", "an index, from 0"),
    (ANIMALS, 0, "A. a cat", "an index that is false as a truth value"),
    (ANIMALS, "B", "B. a dog", "a letter"),
    (ANIMALS, "b", "B. a dog", "a small letter"),
    (ANIMALS, " (B). ", "B. a dog", "a letter with what is put around letters"),
    (ANIMALS, "a dog", "B. a dog", "an option's text"),
    (["4", "2", "1"], "2", "B. 2", "a digit as text is an option, never an index"),
    (["4", "2", "1"], 2, "C. 1", "a number is an index, never an option"),
    (["B", "A"], "C", None, "a letter beyond the options"),
    (["B", "A"], "A", None, "the letter of one option and the text of another"),
    (["A", "B"], "A", "A. A", "letter and text of the same option"),
    (["red", "red", "blue"], "red", None, "two options read alike"),
    (["red", "red", "blue"], "B", "B. red", "a letter tells them apart"),
    (ANIMALS, 3, None, "an index beyond the options"),
    (ANIMALS, -1, None, "no index counts from the end"),
    (ANIMALS, True, None, "a truth value is no index"),
    (ANIMALS, "a cow", None, "no option"),
    (ANIMALS, ["B"], "B. a dog", "a list of one letter"),
    (ANIMALS, ["a dog"], "B. a dog", "a list of one text"),
    (ANIMALS, [1], "B. a dog", "a list of one index"),
    (ANIMALS, ["B", "B"], "B. a dog", "the same letter twice"),
    (ANIMALS, ["B", "a dog", 1, 1.0], "B. a dog", "four names of one option"),
    (ANIMALS, ["B", None, " "], "B. a dog", "what is empty says nothing"),
    (ANIMALS, [], "", "a list without an answer"),
    (ANIMALS, [None, ""], "", "a list of nothing"),
    (ANIMALS, ["B", "C"], None, "two options"),
    (ANIMALS, ["B", "B", "C"], None, "two options, one of them more often"),
    (ANIMALS, ["B", "a cow"], None, "an option and something that is none"),
    (ANIMALS, ["a cow"], None, "a list of one that is none"),
    (ANIMALS, [["B"]], None, "a list within a list"),
    (["red", "red", "blue"], ["red"], None, "a list of one that could be two"),
    (["red", "red", "blue"], ["red", "A"], None, "a second name does not undo that"),
    (ANIMALS, 1.0, "B. a dog", "an index that a null made a float"),
    (ANIMALS, Decimal("1"), "B. a dog", "a decimal index"),
    (ANIMALS, Decimal("1.00"), "B. a dog", "a decimal index with digits behind the point"),
    (ANIMALS, np.int64(1), "B. a dog", "numpy's int"),
    (ANIMALS, np.float32(1), "B. a dog", "numpy's float"),
    (["0.1", "0.2"], np.float32(0.1), "A. 0.1", "what has a fraction is no index"),
    (["0.1", "0.2"], 0.2, "B. 0.2", "a float with a fraction"),
    (["0.5", "0.50"], Decimal("0.50"), "B. 0.50", "a decimal by its digits"),
    (["3", "4"], 3.0, None, "a whole float is an index, never an option"),
    (["3.0", "4.0"], Decimal("3.0"), None, "a whole decimal likewise"),
    (ANIMALS, float("nan"), None, "no number"),
    (ANIMALS, float("inf"), None, "infinite"),
    (ANIMALS, Decimal("1E+999999999"), None, "a number without end"),
    (ANIMALS, None, "", "no answer, as in prediction"),
    (ANIMALS, " ", "", "a blank one"),
    (["only"], 0, None, "one option is no choice"),
    (list("KLMNOPQRSTU"), 0, None, "eleven: the rule's letters end at J"),
    (list("0123456789"), 9, "J. 9", "ten"),
]


@pytest.mark.parametrize(("options", "answer", "right", "why"), RIGHT, ids=[r[3] for r in RIGHT])
def test_the_right_option(options: list[str], answer: object, right: str | None, why: str) -> None:
    if right is None:
        with pytest.raises(BadRow):
            right_option(options, answer)
    else:
        assert right_option(options, answer) == right, why


@pytest.mark.parametrize("form", [1, "B", "a dog"], ids=repr)
def test_the_rules_take_letter_text_or_both_for_right_and_nothing_else(form: object) -> None:
    truth = right_option(ANIMALS, form)
    for answer in ("B", "(b)", "B.", "a dog", "dog", "B. a dog"):
        assert matches(answer, truth), answer
    for answer in ("A", "C", "a cat", "A. a dog", "B. a cat", "A or B", "1", ""):
        assert not matches(answer, truth), answer
