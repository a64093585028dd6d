"""Texts on which a pattern may search for long: one piece repeated, with a start and an end."""

from collections.abc import Iterator

PIECES = [
    *(
        " ",
        "\n",
        "\t",
        "0",
        "1",
        "1 ",
        "1,000,",
        "1/",
        "0.",
        ".",
        "..",
        ",",
        "a,",
        "(a,",
        "(1)",
        "-1",
    ),
    *(
        "a",
        "A. ",
        "(a) ",
        "s",
        "m/",
        "/ ",
        " per ",
        "square ",
        "one ",
        "hundred and ",
        "and ",
        " or ",
    ),
    *(
        "{",
        "}",
        "{}",
        "(",
        "[",
        "$",
        "$a",
        "*",
        "**",
        "**a",
        "* ",
        "_",
        "`",
        '"',
        "\\",
        "\\\\",
        "^ ",
        "_{",
    ),
    *("\\boxed{", "\\frac{", "\\frac12", "\\text{", "{\\rm ", "\\! ", "x^{", "sqrt(", "=", "\\in"),
    *(
        "<",
        "</",
        "<answer>",
        "</answer>",
        "<answer></answer>",
        "<answer></tool_call>",
        "<tool_call>",
    ),
    *("<tool_call>{", "</tool_call>", "<think>", "</think>", "</think><think>", "<think></think>"),
    *('{"a":', '{"a":1,', '{"name":"resize_image",', "[", "[1,", '"\\u0041', "1e9", "NaN,"),
    *("Score: 1", "Score: ", "Score", "\nScore: 1 x", ". ", "Answer: ", "\nAnswer: a", "is "),
    *(
        "\u0301",
        "\u0300\u0316",
        "e\u0301",
        "½",
        "ﷺ",
        "中",
        "\u200b",
        "\u2028",
        "\x85",
        "\x00",
        "\ud800",
    ),
]
AROUND = [
    *(
        ("", ""),
        ("", "x"),
        ("B. ", ""),
        ("1", "x"),
        ("5 m", ""),
        ("Score: 1", "x"),
        ("Answer: ", "\nx"),
    ),
    *(("<think>", "</think><answer>7</answer>"), ("<answer>", "</answer>"), ("\\boxed{", "}")),
    ("<tool_call>", "</tool_call>"),
    ('<tool_call>{"name": "resize_image", "arguments": {"action": "', '"}}</tool_call>'),
]


def long_texts(size: int) -> Iterator[str]:
    """Every piece within every surrounding, each text of about ``size`` bytes in UTF-8."""
    for piece in PIECES:
        for before, behind in AROUND:
            yield long_text(before, piece, behind, size)


def long_text(before: str, piece: str, behind: str, size: int) -> str:
    """A text of about ``size`` bytes in UTF-8."""
    taken = len((before + behind).encode())
    return before + piece * ((size - taken) // len(piece.encode(errors="surrogatepass"))) + behind
