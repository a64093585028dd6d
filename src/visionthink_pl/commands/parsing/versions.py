"""Checks the installed packages against the bounds in this package's metadata."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

PACKAGE = "visionthink_pl"
FEATURES = ("judge", "prepare", "serve")  # extras that users install
DRAW = ("evaluate", "compare")  # verbs that need what ``prepare`` draws with


def out_of_range() -> str | None:
    """One line about packages that are missing or outside of their bounds, with the command that
    fixes it; ``None`` where all are right, or where this package is run without being installed.
    """
    try:
        declared = [Requirement(line) for line in requires(PACKAGE) or ()]
    except PackageNotFoundError:
        return None
    # Without the requirements of extras.
    needed = [one for one in declared if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [(one, found) for one in needed if (found := _found(one)) is not None]
    if not wrong:
        return None
    problems = "; ".join(f"{found}, supported is {one.name}{one.specifier}" for one, found in wrong)
    wanted = " ".join(f"'{one.name}{one.specifier}'" for one, _ in wrong)
    return f"{problems}. Run: python -m pip install {wanted}"


def lacking(verb: str) -> str | None:
    """One line about packages of a verb's extra that are missing or outside of their bounds;
    ``None`` where all are right, or where it has none of ``FEATURES``: the extra ``test``, which
    developers install, has the name of a verb."""
    extra = "prepare" if verb in DRAW else verb
    if extra not in FEATURES:
        return None
    found = [_found(one) for one in _needed(extra)]
    wrong = [problem for problem in found if problem is not None]
    if not wrong:
        return None
    return f"{extra}: {'; '.join(wrong)}. Run: {install(extra)}"


def extra_of(package: str) -> str | None:
    """The extra in ``FEATURES`` that requires a package; ``None`` where none does."""
    return next((e for e in FEATURES if package in {one.name for one in _needed(e)}), None)


def install(extra: str) -> str:
    """The command that installs an extra."""
    return f"python -m pip install '{PACKAGE}[{extra}]'"


def _needed(extra: str) -> list[Requirement]:
    """Requirements of an extra beyond those that always hold."""
    try:
        declared = [Requirement(line) for line in requires(PACKAGE) or ()]
    except PackageNotFoundError:  # not installed
        return []
    marked = [one for one in declared if one.marker and not one.marker.evaluate({"extra": ""})]
    return [one for one in marked if one.marker and one.marker.evaluate({"extra": extra})]


def _found(requirement: Requirement) -> str | None:
    """What is installed in place of the requirement; ``None`` where it is met."""
    try:
        here = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(here, prereleases=True):
        return None
    return f"{requirement.name} {here} is installed"
