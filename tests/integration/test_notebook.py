"""The notebook runs, with few steps."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"


def test_the_notebook_is_committed_with_its_figures() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]  # nor noise
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 4
    assert all(cell.execution_count for cell in cells if cell.cell_type == "code")


@pytest.mark.long
@pytest.mark.integration
def test_the_quickstart_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONTHINK_STEPS", "2")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        notebook, timeout=3600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    assert len(list(tmp_path.glob("runs/notebook/*/metrics.csv"))) == 1
