"""Config files that can't be read: one line, which says what to do."""

from pathlib import Path

import pytest

from visionthink_pl.commands.parsing.config_files import read_config
from visionthink_pl.types import ConfigError

TEXT = "model: {pretrained: embedded} # Größe\n"
SAVE = "save it as UTF-8"

# The bytes of a file, what is said of it, and why.
UNREADABLE = [
    (TEXT.encode("utf-16"), f"is not UTF-8 (it looks like UTF-16); {SAVE}", "with its mark"),
    (TEXT.encode("utf-16-le"), "it looks like UTF-16", "without a mark"),
    (TEXT.encode("utf-16-be"), "it looks like UTF-16", "the other way round"),
    (TEXT.encode("latin-1"), f"is not UTF-8 (byte 0xf6 in line 1); {SAVE}", "Latin-1"),
    (b"a: 1\n# \x93x\x94\n", "byte 0x93 in line 2", "Windows-1252"),
    (b"", "holds no settings", "empty"),
    (b"  \n\n", "holds no settings", "blank"),
    (b"# nothing yet\n", "holds no settings", "comments alone"),
    (b"---\n", "holds no settings", "a document without content"),
    (b"{}\n", "holds no settings", "an empty mapping"),
    (b"null\n", "holds no settings", "null"),
    (b"- a\n- b\n", "must be a mapping of names to values", "a list"),
    (b"model\n", "must be a mapping of names to values", "a word"),
    (b"3: 4\n", "must be a mapping of names to values", "a number as a name"),
    (b"model: [1\n", "Problems parsing config", "a bracket that stays open"),
    (b"model:\n\tlora: null\n", "Problems parsing config", "a tab"),
    (b"a: 1\na: 2\n", "Problems parsing config", "a key that stands twice"),
    (b"a: 1\n---\nb: 1\n", "Problems parsing config", "two documents"),
]


@pytest.mark.parametrize(("content", "phrase", "why"), UNREADABLE)
def test_a_file_that_can_t_be_read(tmp_path: Path, content: bytes, phrase: str, why: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as refusal:
        read_config(str(file))
    assert str(refusal.value).startswith("config: ") and phrase in str(refusal.value)


# A value, the line that refuses it, and why.
UNRESOLVED = [
    (
        "${oc.env:NOT_SET}",
        "a.b: the environment variable 'NOT_SET' is not set; set it, or",
        "unset",
    ),
    ("runs/${oc.env:NOT_SET}/x", "a.b: the environment variable 'NOT_SET' is not set", "a part"),
    ("${oc.env:${c}}", "a.b: the environment variable 'NOT_SET_EITHER' is not", "named by a value"),
    ("${nowhere.d}", "a.b: '${nowhere.d}' refers to a key that this file does not have", "no key"),
    ("${env:HOME}", "a.b: '${env:HOME}' names an unknown resolver; OmegaConf has", "no resolver"),
    ("${a.b}", "a.b: '${a.b}' can't be resolved: Recursive interpolation", "itself"),
    ('"${oc.decode:x[}"', "a.b: extraneous input '['", "an interpolation that makes no sense"),
    ("${oc.decode:'{'}", "a.b: \"${oc.decode:'{'}\" can't be resolved: ", "nothing to decode"),
    ("???", "a.b: ??? must be replaced by a value", "left open"),
]


@pytest.mark.parametrize(("value", "phrase", "why"), UNRESOLVED)
def test_an_interpolation_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, phrase: str, why: str
) -> None:
    for name in ("NOT_SET", "NOT_SET_EITHER"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "config.yaml"
    file.write_text(f"a:\n  b: {value}\nc: NOT_SET_EITHER\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refusal:
        read_config(str(file))
    assert str(refusal.value).startswith(phrase)


def test_interpolations_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "3e-4")
    file = tmp_path / "config.yaml"
    file.write_bytes(
        b"\xef\xbb\xbfa: {b: '${oc.env:RATE}', c: '${oc.env:NOT_SET,2}', d: '${a.c}'}\n"
    )
    assert read_config(str(file)) == {"a": {"b": "3e-4", "c": "2", "d": "2"}}


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quickstart.yaml").touch()
    with pytest.raises(ConfigError, match="File does not exist: 'quickstrt.yaml'; did you mean"):
        read_config("quickstrt.yaml")
    with pytest.raises(ConfigError, match="Path is not a file: '.'"):
        read_config(".")
