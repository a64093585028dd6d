"""The first validation against the last."""

import pytest

from visionthink_pl.commands.report.before_after import BeforeAfter, FigureChange, before_after

COLUMNS = ["accuracy", "resize rate", "visual tokens"]
NONE = FigureChange("–", "–")


def test_nothing_was_validated() -> None:
    assert before_after({"train/accuracy": {0: 1.0}}) is None


def test_by_kind() -> None:
    scalars = {
        "val/accuracy": {0: 0.5, 6: 0.9, 12: 0.75},
        "val/accuracy/plain": {0: 1.0, 12: 1.0},
        "val/accuracy/fine": {12: 0.5},
        "val/resize_rate": {0: 0.0, 12: 0.325},
        "val/resize_rate/plain": {0: 0.0, 12: 0.0},
        "val/visual_token_ratio": {0: 0.25, 12: 1.25},
        "train/accuracy/other": {0: 1.0},
    }
    assert before_after(scalars) == BeforeAfter(
        "before training",
        "after 12 rollout batches",
        COLUMNS,
        {
            "all": [
                FigureChange("0.500", "0.750"),
                FigureChange("0.0%", "32.5%"),
                FigureChange("25.0%", "125.0%"),
            ],
            "fine": [FigureChange("–", "0.500"), NONE, NONE],
            "plain": [FigureChange("1.000", "1.000"), FigureChange("0.0%", "0.0%"), NONE],
        },
    )


@pytest.mark.parametrize(("step", "when"), [(0, "before training"), (1000, "after 1,000 rollout")])
def test_one_validation_and_one_kind(step: int, when: str) -> None:
    scalars = {"val/accuracy": {step: 0.5}, "val/accuracy/only": {step: 0.5}}
    found = before_after(scalars)
    assert found is not None
    assert found.first.startswith(when) and found.last is None
    assert found.rows == {"all": [FigureChange("0.500", "0.500"), NONE, NONE]}
