"""Reads config files without importing torch; each problem is an error of one line."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import (
    InterpolationKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

from visionthink_pl.types import ConfigError

UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # byte order marks
NO_VARIABLE = re.compile(r"Environment variable '(?P<name>.*)' not found")
RAISED = re.compile(r"^\w+ raised while resolving interpolation: ")


def read_config(path: str, key: str = "config") -> dict[str, Any]:
    """Read a config file, and resolve its interpolations.

    Args:
        path: of the file.
        key: the option that names the file, for errors.

    Raises:
        ConfigError: the file can't be read, holds no settings, or an interpolation fails.
    """
    text = _text(path, key)
    try:
        values = yaml.safe_load(text)
        if not values:
            raise ConfigError(f"{key}: {path!r} holds no settings; see configs/quickstart.yaml")
        if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
            raise ConfigError(
                f"{key}: {path!r} must be a mapping of names to values, such as 'trainer: ...'"
            )
        loaded = OmegaConf.create(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{key}: Problems parsing config {path!r}: {error}") from error
    except OmegaConfBaseException as error:
        message = str(error.msg or error).splitlines()[0]
        raise ConfigError(f"{_where(error)}{message} (in {path!r})") from error
    return resolved(loaded, path)


def resolved(config: Any, path: str) -> dict[str, Any]:
    """The values of an OmegaConf config, interpolations resolved; ``path`` is for errors.

    Raises:
        ConfigError: an interpolation fails, or a value is ``???``.
    """
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{_where(error)}{_why(error, config)} (in {path!r})") from error
    assert isinstance(values, dict)
    return {str(name): value for name, value in values.items()}


def _text(path: str, key: str) -> str:
    file = Path(os.path.expanduser(path))
    if not path or file.is_dir():
        raise ConfigError(f"{key}: Path is not a file: {path!r}")
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        beside = [str(f) for f in file.parent.glob("*.y*ml")] if file.parent.is_dir() else []
        nearest = difflib.get_close_matches(str(file), beside, n=1, cutoff=0.8)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ConfigError(f"{key}: File does not exist: {path!r}{hint}") from error
    except OSError as error:
        raise ConfigError(f"{key}: can't read {path!r}: {error.strerror}") from error
    if content.startswith(UTF_16) or b"\0" in content:
        raise ConfigError(f"{key}: {path!r} is not UTF-8 (it looks like UTF-16); save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, byte = content[: error.start].count(b"\n") + 1, content[error.start]
        raise ConfigError(
            f"{key}: {path!r} is not UTF-8 (byte {byte:#x} in line {line}); save it as UTF-8"
        ) from error


def _where(error: OmegaConfBaseException) -> str:
    return f"{error.full_key}: " if error.full_key else ""


def _why(error: OmegaConfBaseException, config: Any) -> str:
    """What failed, worded so that the user can fix it."""
    written = _written(config, str(error.full_key or ""))
    message = str(error.msg or error).splitlines()[0]
    if isinstance(error, MissingMandatoryValue):
        return "??? must be replaced by a value"
    if variable := NO_VARIABLE.search(message):
        name = variable["name"]
        return (
            f"the environment variable {name!r} is not set; set it, or write a default: "
            f"${{oc.env:{name},value}}"
        )
    if isinstance(error, UnsupportedInterpolationType):
        return f"{written} names an unknown resolver; OmegaConf has oc.env and others"
    if isinstance(error, InterpolationKeyError):
        return f"{written} refers to a key that this file does not have"
    return f"{written} can't be resolved: {RAISED.sub('', message)}"


def _written(config: Any, key: str) -> str:
    """The unresolved text of a value."""
    value: Any = OmegaConf.to_container(config, resolve=False)
    for part in re.findall(r"[^.\[\]]+", key):
        try:
            value = value[int(part) if isinstance(value, list) else part]
        except (KeyError, IndexError, TypeError, ValueError):
            return "an interpolation"
    return repr(value) if isinstance(value, str) else "an interpolation"
