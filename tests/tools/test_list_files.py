"""The architecture page lists every file as it is now."""

import sys
from pathlib import Path

TOOLS = Path(__file__).parents[2] / "tools"
sys.path.append(str(TOOLS))
from list_files import BEGIN, PAGE, listed, with_list  # noqa: E402 (of tools/)


def test_the_page_lists_every_file_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert BEGIN in page
    assert with_list(page) == page, "run python tools/list_files.py"


def test_every_file_says_what_it_is() -> None:
    rows = [line.split("|") for line in listed().splitlines() if line.startswith("| `")]
    assert len(rows) > 250
    assert [row[1] for row in rows if len(row[2].strip()) < 10] == []


def test_another_list_is_replaced() -> None:
    page = f"before\n{BEGIN}old\n<!-- end of files -->\nafter\n"
    assert with_list(page) == f"before\n{BEGIN}\n{listed()}\n<!-- end of files -->\nafter\n"
