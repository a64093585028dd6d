"""What is set aside before two texts are compared, to the letter."""

import pytest

from visionthink_pl.rewards.rules.text import normalise, unwrap


def test_normalise() -> None:
    assert normalise("  The  RED\tcar. ") == "red car"
    assert normalise("!?") == "!?"


UNWRAPPED = [
    ("$7$", "7", "inline"),
    ("$$7$$", "7", "display"),
    (r"\(7\)", "7", "inline, by brackets"),
    (r"\[7\]", "7", "display, by brackets"),
    (r"\boxed{\frac{1}{2}}.", r"\frac{1}{2}", "braces within the box, and a full stop"),
    (r"\boxed{$\text{B}$}", "B", "wrappers in each other"),
    (" 7. ", " 7. ", "nothing to unwrap: nothing changes"),
    ("$5 and $6", "$5 and $6", "money"),
    (r"\boxed{1} + {2}", r"\boxed{1} + {2}", "braces that do not belong together"),
    (r"\boxed{1}, \boxed{2}", r"\boxed{1}, \boxed{2}", "two boxes"),
    ("$1$ or $2$", "$1$ or $2$", "two formulas"),
    ("$", "$", "a sign alone"),
    ("$$$", "$$$", "signs alone"),
    (r"\boxed{" * 9 + "7" + "}" * 9, r"\boxed{7}", "no deeper than eight"),
]


@pytest.mark.parametrize(("text", "inner", "why"), UNWRAPPED, ids=[row[2] for row in UNWRAPPED])
def test_unwrap(text: str, inner: str, why: str) -> None:
    assert unwrap(text) == inner, why
