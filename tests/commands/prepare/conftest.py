"""A console that keeps what is said to it."""

import io

import pytest
from rich.console import Console


@pytest.fixture
def quiet() -> Console:
    return Console(file=io.StringIO(), record=True, width=100)
