"""Multiple choice: what is asked, what is right, and that the rules agree."""

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
