"""Answers as models write them, right and wrong, well and badly formed."""

from __future__ import annotations

from random import Random

AROUND = (
    *("{}", "{}.", " {} ", "{}\n", "{}!", "{},", "({})", '"{}"', "'{}'", "**{}**", "{}?", "{};"),
    *("The answer is {}.", "The answer is: {}", "Answer: {}", "answer:{}", "It is {}", "it's {}."),
    *("So the final answer is {}.", "I think it is {}, but I am not sure.", "Probably {}"),
    *("The correct answer is {} because it is shown.", "Let me look.\nIt shows {}.", "= {}"),
    *("The image shows {} and {other}.", "Not {other} but {}", "{} or {other}", "{other}, {}"),
    *("x = {}", "The result is {}\n\nThus {}.", "{}%", "${}", "about {} m", "<{}>", "{} {}"),
    *("The answer is \\boxed{{{}}}", "$\\text{{{}}}$", "It could be {}", "Yes, {}", "No, {}"),
    *("答案是{}", "选{}", "{}。", "\t{}\t", "  {other}  ", "{other}", "{other}.", "A {}", "the {}"),
)
NOTHING = ("", " ", "I don't know.", "None", "none", "N/A", "?", "unknown", "[]", "yes no", "…")
WORDS = (
    *("red", "blue", "Coca Cola", "stop sign", "New York", "3rd Avenue", "O'Neil's", "dr. pepper"),
    *("Übermut", "naïve", "二〇二四", "price", "left", "right", "the dog", "a cat", "John Doe"),
    *("12 May 1999", "n/a", "e-mail", "http://x.org/a", "cafe", "50 Cent", "isn't", "yes", "no"),
)
MARKS = ".,:;!?()[]{}'\"-_/\\%$#*&=+<>|~^` \n\t"


def number(rng: Random) -> str:
    """A number in one of the ways in which numbers are written."""
    value = rng.choice([rng.randint(0, 20), rng.randint(-999, 99_999), round(rng.gauss(0, 50), 2)])
    forms = (
        *(f"{value}", f"{value}", f"{value:,}", f"{value}%", f"{value:.1f}", f"{value:.2e}"),
        *(f"{value} ", f"-{value}", f"{float(value)}", f".{abs(int(value))}", f"${value}"),
    )
    return rng.choice(forms)


def near(rng: Random, text: str) -> str:
    """A number close to another, if that is one; else the text with a letter changed."""
    percent = text.strip().endswith("%")
    try:
        value = float(text.strip().rstrip("%").replace(",", ""))
    except ValueError:
        return changed(rng, text)
    value *= rng.choice([1.0, 1.01, 1.049, 1.0499999, 1.05, 1.0500001, 1.051, 0.951, 0.95, 0.9])
    value = rng.choice([value, round(value, 1), round(value, 2), round(value), value / 100])
    return f"{value}{'%' * percent}"


def changed(rng: Random, text: str) -> str:
    """The text with a character added, dropped, doubled or exchanged."""
    place = rng.randrange(len(text) + 1)
    mark = rng.choice([*MARKS, "a", "e", "1", "é", "Ａ"])
    kept = text[place + rng.randint(0, 1) :]
    return rng.choice([text[:place] + mark + kept, text[:place] + kept, text + text[place:]])


def full_width(text: str) -> str:
    """In the characters that fill a Chinese character's square."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def text(rng: Random) -> str:
    """A truth: words, a number, or both."""
    one = rng.choice([*WORDS, *WORDS, number(rng), number(rng)])
    return rng.choice([one, one, one, f"{one} {rng.choice(WORDS)}", one.upper(), one.capitalize()])


def answer(rng: Random, truth: str, other: str) -> str:
    """What a model might say where ``truth`` is right and ``other`` is not."""
    kind = rng.random()
    if kind < 0.03:
        return rng.choice(NOTHING)
    if kind < 0.06:
        return "".join(rng.choice([*MARKS, *WORDS, number(rng)]) for _ in range(rng.randint(1, 9)))
    cases = (str, str, str, str.lower, str.upper, str.capitalize, str.title, full_width)
    said = rng.choice(cases)(truth)
    said = rng.choice([said, said, said, near(rng, said), changed(rng, said), said.strip()])
    if kind < 0.4:
        return said
    wrapped = rng.choice(AROUND).format(said, said, other=other)
    return changed(rng, wrapped) if rng.random() < 0.1 else wrapped
