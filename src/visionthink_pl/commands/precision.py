"""Names of the trainer's precision in configs."""

from __future__ import annotations

from visionthink_pl.module import BASE_DTYPES
from visionthink_pl.types import ConfigError

ALIASES = {"None": "32-true", "32": "32-true", "bf16": "bf16-mixed"}


def full_name(named: str | int | None) -> str:
    """The full name of a precision, a key of ``BASE_DTYPES``.

    Raises:
        ConfigError: it is not supported.
    """
    precision = ALIASES.get(str(named), str(named))
    if precision not in BASE_DTYPES:
        raise ConfigError(f"trainer.precision: {' or '.join(BASE_DTYPES)}, not {named}")
    return precision
