"""Parquet files that are read as one table: each has rows, and all have the same columns."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from datasets import Features

from visionthink_pl.types import ConfigError

LISTS = pa.ListType | pa.LargeListType


def features_of(data_files: Mapping[str, Sequence[str]], option: str) -> Features | None:
    """The columns of files, with types that fit all files; ``None`` if the files are not local.

    ``datasets`` uses the columns of the first file. It would convert numbers of other files to
    text, fill columns that they lack with nulls, or fail without naming a file.

    Args:
        data_files: by split, as ``datasets`` has found them.
        option: where the files were set, for errors.

    Raises:
        ConfigError: a file can't be read, has no row, or has other columns than the first file.
    """
    files = [file for some in data_files.values() for file in some]
    if not all(map(os.path.isfile, files)):
        return None
    merged = first = _schema(files[0], option)
    for file in files[1:]:
        schema = _schema(file, option)
        _check_columns(first, schema, f"{option}: {file!r} and {files[0]!r} are no one table")
        merged = pa.unify_schemas([merged, schema], promote_options="permissive")
    return Features.from_arrow_schema(merged)


def _schema(file: str, option: str) -> pa.Schema:
    try:
        with pq.ParquetFile(file) as held:
            rows, schema = held.metadata.num_rows, held.schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{option}: can't read {file!r}: {error}") from error
    if not rows:
        raise ConfigError(f"{option}: {file!r} holds no row; leave it out")
    return Features.from_arrow_schema(schema).arrow_schema


def _check_columns(first: pa.Schema, other: pa.Schema, what: str) -> None:
    if lacking := [name for name in first.names if name not in other.names]:
        raise ConfigError(f"{what}: only the second has the column {lacking[0]!r}")
    if more := [name for name in other.names if name not in first.names]:
        raise ConfigError(f"{what}: only the first has the column {more[0]!r}")
    for name in first.names:
        one, two = other.field(name).type, first.field(name).type
        if not _same(one, two):
            raise ConfigError(
                f"{what}: the column {name!r} holds {one} in the first and {two} in the second; "
                "write both as one type"
            )


def _same(one: pa.DataType, two: pa.DataType) -> bool:
    """Whether there is a type that holds the values of both unchanged. (A float of 32 bits would
    change in 64 bits: it has fewer digits.)"""
    types = pa.types
    if one == two or types.is_null(one) or types.is_null(two):
        return True
    if isinstance(one, LISTS) and isinstance(two, LISTS):
        return _same(one.value_type, two.value_type)
    if types.is_struct(one) and types.is_struct(two):
        shared = {field.name for field in one} & {field.name for field in two}
        return all(_same(one.field(name).type, two.field(name).type) for name in shared)
    numbers = (
        types.is_integer(one) or one == pa.float64(),
        types.is_integer(two) or two == pa.float64(),
    )
    return all(numbers) or {one, two} <= {pa.string(), pa.large_string()}
