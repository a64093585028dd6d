"""The notebooks run, with few steps, and are committed with what they wrote."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
# Figures that the committed notebook has at least, files that a run leaves, and their number.
NOTEBOOKS = {
    "quickstart": (4, "runs/notebook/*/metrics.csv", 1),
    "own_data": (5, "runs/my_photos/fit/*/**/report.html", 2),
    "extensions": (2, "runs/extensions/*/report.html", 1),
    "penalty": (2, "runs/penalty/*/*/metrics.csv", 7),
}
SLOW = ("quickstart", "own_data", "penalty")
OF_A_MACHINE = re.compile(r"/(home|Users|root|tmp|work|usr|opt|mnt)/|[A-Z]:\\|site-packages")
ESCAPE = "\x1b["  # colours and moving bars of a terminal


def read(name: str) -> NotebookNode:
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def texts(output: NotebookNode) -> Iterator[str]:
    yield output.get("text", "")
    for kind, value in output.get("data", {}).items():
        if kind != "image/png":
            yield str(value)


def faults(notebook: NotebookNode) -> list[str]:
    """What no reader should find in the outputs."""
    found = []
    for output in outputs(notebook):
        if output.output_type == "error":
            found.append(f"an error: {output.ename}")
        if output.get("name") == "stderr":
            found.append(f"noise: {output.text}")
        for text in texts(output):
            found += [f"a path: {match[0]}" for match in OF_A_MACHINE.finditer(text)]
            if ESCAPE in text:
                found.append("colours of a terminal")
    return found


def test_the_table_has_all_notebooks() -> None:
    assert {file.stem for file in (ROOT / "notebooks").glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_committed_as_they_ran_from_top_to_bottom(name: str) -> None:
    notebook = read(name)
    assert faults(notebook) == []
    figures, *_ = NOTEBOOKS[name]
    assert sum("image/png" in output.get("data", {}) for output in outputs(notebook)) >= figures
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize(
    ("output", "fault"),
    [
        (nbformat.v4.new_output("error", ename="KeyError"), "an error: KeyError"),
        (nbformat.v4.new_output("stream", name="stderr", text="warning"), "noise: warning"),
        (nbformat.v4.new_output("stream", text="report: /home/me/report.html"), "a path: /home/"),
        (
            nbformat.v4.new_output("execute_result", data={"text/plain": "PosixPath('/tmp/a')"}),
            "a path: /tmp/",
        ),
        (nbformat.v4.new_output("stream", text="\x1b[1mbold\x1b[0m"), "colours of a terminal"),
    ],
)
def test_faults_are_found(output: NotebookNode, fault: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])])
    assert faults(notebook) == [fault]


@pytest.mark.integration
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.long if n in SLOW else ()) for n in NOTEBOOKS],
)
def test_notebooks_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONTHINK_STEPS", "2")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    notebook = read(name)
    NotebookClient(
        notebook, timeout=3600, kernel_name="python3", resources={"metadata": {"path": folder}}
    ).execute()
    assert faults(notebook) == []
    _, pattern, count = NOTEBOOKS[name]
    assert len(list(folder.glob(pattern))) == count
