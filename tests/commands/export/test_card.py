"""The model card, with a known and an unknown run."""

from pathlib import Path

import pytest
import yaml
from torch.utils.tensorboard import SummaryWriter

from export_helpers import BATCHES, export, read_card, save_run
from model_helpers import embedded_policy
from visionthink_pl.commands.export.card import write_card
from visionthink_pl.commands.export.trained import Trained
from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.commands.export.validation import validations
from visionthink_pl.families import Family
from visionthink_pl.rollout.conversation_options import ConversationOptions


def log(folder: Path, *rows: tuple[int, float]) -> None:
    """As Lightning writes validation: at 0 before training, behind a batch by its index."""
    with SummaryWriter(str(folder)) as writer:
        for step, value in rows:
            writer.add_scalar("val/accuracy", value, step)
            writer.add_scalar("train/accuracy", 0.123, step)


# steps and values logged; batches of the checkpoint; before; after: batches and value
LOGS = [
    ([(0, 0.5), (79, 0.75), (159, 0.875)], 80, 0.5, (80, 0.75), "a later one is not this one's"),
    ([(0, 0.5), (79, 0.75), (80, 0.875)], 80, 0.5, (80, 0.75), "one batch later is later"),
    ([(0, 0.5), (79, 0.75)], None, 0.5, (80, 0.75), "the last one, where nobody knows"),
    ([(0, 0.5), (79, 0.75)], 40, 0.5, None, "nothing yet"),
    ([(0, 0.5), (0, 0.75)], 1, 0.5, (1, 0.75), "the first batch has index 0, too"),
    ([(119, 0.75)], 120, None, (120, 0.75), "a run that was resumed"),
    ([], 80, None, None, "no validation"),
]


@pytest.mark.parametrize(("rows", "batches", "before", "after", "why"), LOGS)
def test_validations(tmp_path: Path, rows, batches, before, after, why) -> None:
    log(tmp_path, *rows)
    first, last = validations(tmp_path, batches)
    assert (first and first.values) == (None if before is None else {"accuracy": before}), why
    found = last and (last.batches, last.values)
    assert found == (None if after is None else (after[0], {"accuracy": after[1]})), why


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, family: Family) -> Path:
    """A run that validated twice, judged by a model behind a key."""
    folder = tmp_path_factory.mktemp("card") / "run"
    save_run(embedded_policy(family), folder, lora={"r": 4, "alpha": 32})
    log(folder, (0, 0.25), (BATCHES - 1, 0.5))
    return folder


def test_the_card(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-to-be-seen")
    out = export(run / "checkpoints" / f"step={BATCHES}.ckpt", tmp_path / "out")
    front, text = read_card(out)
    assert front == {
        "library_name": "peft",
        "pipeline_tag": "image-text-to-text",
        "tags": ["visionthink", "grpo", "lora"],
    }
    assert "| trained | LoRA, r = 4, alpha = 32 |" in text
    assert f"| optimizer steps | {BATCHES} |" in text
    assert f"| metric | before training | after {BATCHES} rollout batches |" in text
    assert "| `accuracy` | 0.25 | 0.5 |" in text
    assert "visionthink_pl.data.LookCloser" in text and '"name":"resize_image"' in text
    blocks = [part.split("\n", 1)[1] for part in text.split("````yaml")[1:]]
    config = yaml.safe_load(blocks[-1].split("````")[0])
    assert config == yaml.safe_load((run / "config.yaml").read_text())
    assert not any("sk-not-to-be-seen" in file.read_text("latin-1") for file in out.iterdir())


def test_missing_validation_is_called_unknown(tmp_path: Path, family: Family) -> None:
    ckpt, _ = save_run(embedded_policy(family), tmp_path / "run", lora={"r": 4, "alpha": 32})
    _, text = read_card(export(ckpt, tmp_path / "out", "--merge"))
    assert "unknown: no validation was found" in text
    assert "rounding moved the trained weights by 0 at most" in text


BASES = [
    ("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-3B-Instruct"),
    ("embedded", None),
    ("{folder}", None),
]


@pytest.mark.parametrize(("pretrained", "named"), BASES)
def test_only_a_hub_id_is_named_as_base(
    tmp_path: Path, family: Family, pretrained: str, named: str | None
) -> None:
    pretrained = pretrained.format(folder=tmp_path)
    (tmp_path / "config.yaml").write_text("{}")
    run = Run(tmp_path / "config.yaml", {"trainer": {}}, pretrained, family, ConversationOptions())
    trained = Trained({}, None)
    texts = {"prompt": "Look."}
    write_card(run, trained, None, texts, tmp_path)
    front, text = read_card(tmp_path)
    assert front.get("base_model") == named
    assert str(tmp_path) not in text
