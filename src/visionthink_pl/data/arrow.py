"""Values of Arrow columns, also where a text is none."""

from __future__ import annotations

from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]


def values(array: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of a column as Python has them.

    A text whose bytes are not UTF-8, which a file may hold, has surrogates for them, so that the
    row that it stands in is a bad one, and no other.
    """
    try:
        return array.to_pylist()
    except UnicodeDecodeError:
        return [_value(one) for one in array]


def _value(scalar: pa.Scalar) -> Any:
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.StringScalar):
        return scalar.as_buffer().to_pybytes().decode("utf-8", "surrogateescape")
    if isinstance(scalar, pa.DictionaryScalar):
        return _value(scalar.value)
    if isinstance(scalar, pa.StructScalar):
        return {name: _value(part) for name, part in scalar.items()}
    if isinstance(scalar, pa.ListScalar):
        return [_value(one) for one in scalar]
    return scalar.as_py()
