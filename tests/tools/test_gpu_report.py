"""The parts of the report of a GPU: how each ends, and what is kept of it."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import gpu_report
from gpu_report import Part, run

XML = """<testsuites><testsuite>
<testcase name="right"/>
<testcase name="measured"><properties><property name="mean" value="0.5"/></properties></testcase>
<testcase name="wrong"><failure>no</failure></testcase>
<testcase name="broken"><error>no</error></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("part", "left_s", "result"),
    [
        (Part(["-c", "print('all is well')"], 60), 60, "passed"),
        (Part(["-c", "raise SystemExit(3)"], 60), 60, "failed: exit code 3"),
        (Part(["-c", "import time; time.sleep(60)"], 1), 60, "failed: stopped after 1 s"),
        (Part(["-c", ""], 60), 5, "left out: no time was left"),
        (Part(["-c", ""], 60, needs="nobody_s_package"), 60, "left out: nobody_s_package is not"),
    ],
)
def test_how_a_part_ends(tmp_path: Path, part: Part, left_s: float, result: str) -> None:
    found = run("a part", part, tmp_path, left_s)
    assert found["result"].startswith(result)
    if result == "passed":
        assert found["printed"] == "all is well\n"


def test_what_a_part_wrote_is_kept_although_it_failed(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    code = f"open({str(file)!r}, 'w').write('{{\"s\": 2}}'); raise SystemExit(1)"
    part = Part(["-c", code], 60, gpu_report.read_json, "figures.json")
    assert run("a part", part, tmp_path, 60)["figures"] == {"s": 2}


def test_tests_are_counted_and_what_they_recorded_is_read(tmp_path: Path) -> None:
    file = tmp_path / "tests.xml"
    file.write_text(XML, encoding="utf-8")
    assert gpu_report.read_tests(file) == {
        "passed": 2,
        "failed": ["wrong", "broken"],
        "recorded": {"measured": {"mean": "0.5"}},
    }


def test_only_some_parts_and_a_report_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {"one": Part(["-c", ""], 60), "two": Part(["-c", "raise SystemExit(1)"], 60)}
    monkeypatch.setattr(gpu_report, "parts", lambda gpu, folder: parts)
    monkeypatch.setattr(sys, "argv", ["gpu_report.py", "--out", str(tmp_path), "--only", "one"])
    assert gpu_report.main() == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert list(report["parts"]) == ["one"] and report["machine"]["torch"]
    monkeypatch.setattr(sys, "argv", ["gpu_report.py", "--out", str(tmp_path)])
    assert gpu_report.main() == 1
    monkeypatch.setattr(sys, "argv", ["gpu_report.py", "--only", "three"])
    with pytest.raises(SystemExit):
        gpu_report.main()


@pytest.mark.parametrize("gpu", [True, False])
def test_every_part_names_files_that_are_there(tmp_path: Path, gpu: bool) -> None:
    for name, part in gpu_report.parts(gpu, tmp_path).items():
        scripts = [a for a in part.arguments if a.endswith(".py") or a.startswith("tests/")]
        assert all((gpu_report.ROOT / script).exists() for script in scripts), name
