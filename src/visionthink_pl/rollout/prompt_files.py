"""System prompts: text files, some of which ship."""

from __future__ import annotations

from pathlib import Path

from visionthink_pl.types import ConfigError

PROMPTS = Path(__file__).parent / "prompts"
TOOLS_SLOT = "{tools}"
QUESTION_SLOT = "{question}"
RESULT_SLOT = "{result}"


def read_prompt(name: str, key: str = "prompt", folder: Path = PROMPTS) -> str:
    """Read a prompt: the name of one that ships (``look_closer``), or a path to a text file.

    Args:
        name: of the prompt.
        key: what the setting is called, for the error.
        folder: where those that ship are.

    Raises:
        ConfigError: there is no such prompt, or its file can't be read as UTF-8.
    """
    shipped = folder / f"{name}.txt"
    path = shipped if shipped.is_file() else Path(name)
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in folder.glob("*.txt")))
        raise ConfigError(f"{key}: no file {name!r}; the prompts that ship are {names}")
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{key}: {name!r} can't be read as UTF-8: {error}") from error
