"""Every way to write a precision that is supported, and none that isn't."""

import pytest

from visionthink_pl.commands.precision import full_name
from visionthink_pl.types import ConfigError


@pytest.mark.parametrize("named", [None, 32, "32", "32-true"])
def test_full_precision(named: str | int | None) -> None:
    assert full_name(named) == "32-true"


@pytest.mark.parametrize("named", ["bf16", "bf16-mixed"])
def test_mixed_precision(named: str) -> None:
    assert full_name(named) == "bf16-mixed"


@pytest.mark.parametrize("named", [16, "16-mixed", "bf16-true", "", "64"])
def test_anything_else_is_refused(named: str | int) -> None:
    with pytest.raises(ConfigError, match="trainer.precision: 32-true or bf16-mixed, not"):
        full_name(named)
