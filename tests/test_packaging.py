"""A built wheel holds all that the package reads, and is found and loaded where it is installed."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
TINY_VLM = "visionthink_pl/families/tiny_vlm"

# Runs inside the new environment: what is read comes from the installed package alone.
LOAD_FROM_THE_PACKAGE = """
import sys
from importlib.resources import files
from pathlib import Path

import visionthink_pl
from transformers import AutoConfig, AutoProcessor

package = Path(visionthink_pl.__file__).resolve().parent
assert package.is_relative_to(Path(sys.prefix).resolve()), f"imported from {package}"

tiny_vlm = files("visionthink_pl") / "families" / "tiny_vlm"
assert AutoConfig.from_pretrained(tiny_vlm).model_type == "qwen2_5_vl"
processor = AutoProcessor.from_pretrained(tiny_vlm)
question = [{"role": "user", "content": [{"type": "text", "text": "Which colour?"}]}]
assert "Which colour?" in processor.apply_chat_template(question, tokenize=False)

prompts = list(package.glob("rollout/prompts/*.txt"))
assert prompts
assert all(prompt.read_text(encoding="utf-8").strip() for prompt in prompts)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Runs `command` without the caller's Python settings; its output is the failure's message."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env["HF_HUB_OFFLINE"] = "1"
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    run(*build, "--outdir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("visionthink_pl-*.whl")
    return path


def test_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    in_wheel = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    in_source = {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "visionthink_pl").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert in_wheel == in_source


def test_wheel_holds_the_model_its_templates_and_the_prompts(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    model_files = (
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    )
    assert {f"{TINY_VLM}/{name}" for name in model_files} <= names
    # transformers writes the image limits to one or the other, by its version.
    assert names & {f"{TINY_VLM}/{name}_config.json" for name in ("preprocessor", "processor")}
    assert any(
        n.startswith("visionthink_pl/rollout/prompts/") and n.endswith(".txt") for n in names
    )
    assert "visionthink_pl/py.typed" in names
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)


@pytest.mark.long
def test_installed_wheel_loads_its_assets_and_its_command_line(wheel: Path, tmp_path: Path) -> None:
    new = tmp_path / "venv"
    python = new / "bin" / "python"
    run(sys.executable, "-m", "venv", "--without-pip", new, cwd=tmp_path)
    pip = [sys.executable, "-m", "pip", "--python", python]
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)

    # The dependencies are lent by the environment that runs this test, so nothing is downloaded.
    # After the install: pip would otherwise find the package there and do nothing.
    (site_packages,) = new.glob("lib/python*/site-packages")
    lent = [path for path in sys.path if path.endswith("-packages")]
    (site_packages / "lent.pth").write_text("\n".join(lent) + "\n", encoding="utf-8")

    run(python, "-I", "-c", LOAD_FROM_THE_PACKAGE, cwd=tmp_path)
    assert "fit" in run(new / "bin" / "visionthink", "--help", cwd=tmp_path)
