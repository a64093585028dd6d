"""Messages about packages outside of their bounds."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from visionthink_pl.commands.parsing import versions

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
DECLARED = [
    Requirement(line)
    for line in tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
]
# Their internals are used, so that a release could break what no test of theirs looks at.
BOUNDED = {"bitsandbytes", "jsonargparse", "lightning", "math-verify", "peft", "plotly"}
BOUNDED |= {"torch", "torchdata", "torchvision", "transformers"}


def test_the_installed_packages_are_in_range() -> None:
    assert versions.out_of_range() is None


@pytest.mark.parametrize(
    ("package", "here", "expected"),
    [
        ("transformers", "5.25.0", "transformers 5.25.0 is installed, supported is transformers"),
        ("transformers", "5.23.0", "transformers 5.23.0 is installed, supported is transformers"),
        ("jsonargparse", "5.0.0", "jsonargparse 5.0.0 is installed, supported is jsonargparse"),
        ("lightning", "2.6.4", "lightning 2.6.4 is installed, supported is lightning"),
        ("peft", None, "peft is not installed, supported is peft"),
        ("torch", "2.14.1+cpu", None),  # a build of a supported release
        ("torch", "2.15.0rc1", None),
        ("pillow", "99.0", None),  # no upper bound
    ],
)
def test_one_line_names_the_package_and_what_to_run(
    monkeypatch: pytest.MonkeyPatch, package: str, here: str | None, expected: str | None
) -> None:
    def version(name: str) -> str:
        if name != package:
            return metadata.version(name)
        if here is None:
            raise metadata.PackageNotFoundError(name)
        return here

    monkeypatch.setattr(versions, "version", version)
    said = versions.out_of_range()
    if expected is None:
        assert said is None
        return
    requirement = next(one for one in DECLARED if one.name == package)
    install = f"python -m pip install '{package}{requirement.specifier}'"
    assert said is not None and "\n" not in said
    assert said.startswith(expected) and said.endswith(install)


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """As if these were not installed."""

    def version(name: str) -> str:
        if name in packages:
            raise metadata.PackageNotFoundError(name)
        return metadata.version(name)

    monkeypatch.setattr(versions, "version", version)


def test_an_extra_that_is_there_lacks_nothing() -> None:
    assert [versions.lacking(extra) for extra in versions.FEATURES] == [None] * 3


def test_what_a_verb_lacks_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "imagehash", "openai")
    assert versions.lacking("fit") is None
    said = versions.lacking("prepare")
    assert said is not None and said.startswith("prepare: imagehash is not installed")
    assert said.endswith("Run: python -m pip install 'visionthink_pl[prepare]'")


@pytest.mark.parametrize("verb", ["prepare", "evaluate", "compare"])
def test_verbs_that_draw_need_what_draws(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "matplotlib")
    said = versions.lacking(verb)
    assert said is not None and "matplotlib is not installed" in said
    assert said.endswith("Run: python -m pip install 'visionthink_pl[prepare]'")


def test_the_verb_test_needs_no_packages_of_developers(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "pytest", "nbclient")
    assert versions.lacking("test") is None


@pytest.mark.parametrize(
    ("package", "extra"),
    [("openai", "judge"), ("httpx2", "judge"), ("imagehash", "prepare"), ("torch", None)],
)
def test_the_extra_that_brings_a_package(package: str, extra: str | None) -> None:
    assert versions.extra_of(package) == extra


def test_several_are_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "version", lambda name: "0.0.1")
    said = versions.out_of_range()
    assert said is not None and said.count("is installed") == len(DECLARED)


def test_nothing_is_reported_where_the_package_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(versions, "PACKAGE", "visionthink_pl_that_nobody_installed")
    assert versions.out_of_range() is None


def test_packages_whose_internals_are_used_have_an_upper_bound() -> None:
    bounded = {one.name for one in DECLARED if any("<" in str(s.operator) for s in one.specifier)}
    assert bounded == BOUNDED
