"""``plan`` from the command line: verdicts, exit codes, JSON, and the configs that ship."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from lightning.pytorch.accelerators import CPUAccelerator, CUDAAccelerator

from plan_helpers import QWEN_2_5_3B, QWEN_2_5_7B, QWEN_3_4B, build, write_checkpoint
from visionthink_pl.commands.plan import estimate, warning
from visionthink_pl.commands.plan import plan as plan_command
from visionthink_pl.commands.plan.advice import Advice, Change
from visionthink_pl.commands.plan.cards import CONTEXT, GIB, Card
from visionthink_pl.commands.plan.estimate import Estimate
from visionthink_pl.commands.plan.setup import Setup
from visionthink_pl.types import ConfigError

CONFIGS = Path(__file__).parents[3] / "configs"
EMBEDDED = ["--config", str(CONFIGS / "quickstart.yaml"), "--prompt-tokens", "0"]
SMALL = [*EMBEDDED, "--data.prompts_per_step", "1", "--rollout.group_size", "2"]


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Card, "here", classmethod(lambda cls: None))


def plan(capsys: pytest.CaptureFixture, *args: str) -> tuple[int, str, str]:
    code = plan_command.main(args)
    out = capsys.readouterr()
    return code, out.out, out.err


def test_without_a_card_there_are_figures_and_no_verdict(capsys: pytest.CaptureFixture) -> None:
    code, out, _ = plan(capsys, *SMALL)
    assert code == 0 and "It fits" not in out and "does not fit" not in out
    for word in ("weights", "KV cache", "logits", "backward", "TFLOPs", "generated"):
        assert word in out


def test_the_machine_s_gpu_is_the_default(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Card, "here", classmethod(lambda cls: Card("the GPU here", 8 * GIB)))
    code, out, _ = plan(capsys, *SMALL)
    assert code == 0 and "the GPU here" in " ".join(out.split()) and "It fits" in out


def test_json_replaces_the_table_or_goes_to_a_file(
    capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    code, out, _ = plan(capsys, *SMALL, "--gpu", "8GB", "--json")
    alone = json.loads(out)
    assert code == 0 and alone["fits"] is True
    assert alone["changes"] == [] and alone["together"] is None
    assert alone["peak_bytes"] == max(sum(most.values()) for most in alone["phases"].values())
    assert alone["card"]["usable_bytes"] == int(8 * GIB * 0.95 - CONTEXT)
    code, out, _ = plan(capsys, *SMALL, "--gpu", "8GB", "--json", str(tmp_path / "plan.json"))
    assert code == 0 and "weights" in out
    assert json.loads((tmp_path / "plan.json").read_text()) == alone


def test_what_does_not_fit_exits_3_with_advice(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms: list[float] = []

    def advise(setup: Setup, found: Estimate, room: float) -> Advice:
        rooms.append(room)
        return Advice([Change("rollout.rows", "1", found.peak // 2)])

    monkeypatch.setattr(plan_command, "advise", advise)
    monkeypatch.setattr(Card, "usable", 1000.0)
    code, out, _ = plan(capsys, *SMALL, "--gpu", "24", "--json")
    found = json.loads(out)
    assert code == 3 and found["fits"] is False and rooms == [1000.0]
    (change,) = found["changes"]
    assert change == {"key": "rollout.rows", "value": "1", "peak": found["peak_bytes"] // 2}


@pytest.mark.long
def test_the_single_change_that_would_do_is_found(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room is half-way between what micro-batches of 16 and of 8 need."""
    base = [*EMBEDDED, "--model.micro_batch_size", "16", "--rollout.group_size", "16"]
    base += ["--rollout.rows", "16", "--data.prompts_per_step", "1", "--json"]
    needs = [
        json.loads(plan(capsys, *base, "--model.micro_batch_size", size)[1])["peak_bytes"]
        for size in ("16", "8")
    ]
    monkeypatch.setattr(Card, "usable", sum(needs) / 2)
    code, out, _ = plan(capsys, *base, "--gpu", "24")
    found = json.loads(out)
    assert (
        code == 3
        and found["fits"] is False
        and found["peak_bytes"] == pytest.approx(needs[0], rel=1e-5)
    )
    first = found["changes"][0]
    assert (first["key"], first["value"]) == ("model.micro_batch_size", "8")
    assert first["peak"] == pytest.approx(needs[1], rel=1e-5)
    assert {"model.gradient_checkpointing", "rollout.group_size"} <= {
        change["key"] for change in found["changes"]
    }
    assert all(change["peak"] <= sum(needs) / 2 for change in found["changes"])


# One of each place that refuses: ``test_cards.py`` has the cards.
MISTAKES = [
    (
        ["--gpu", "big"],
        "--gpu: a card's memory, such as 24GB, or its name, such as 4090, not 'big'",
    ),
    (["--gpu", "-5GB"], "error: --gpu: a card's memory, such as 24GB, or its name, such as 4090\n"),
    (["--model.micro_batch_sise", "2"], "did you mean model.micro_batch_size?"),
    (["--trainer.precision", "16-mixed"], "trainer.precision: 32-true or bf16-mixed, not 16-mixed"),
]


@pytest.mark.parametrize("width", ["80", "110"])
def test_the_table_is_complete_in_a_narrow_window(
    width: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    _, out, _ = plan(capsys, *SMALL, "--gpu", "8GB")
    assert "…" not in out and max(map(len, out.splitlines())) <= int(width)
    heads = out.splitlines()[1:3]
    assert heads[1].split() == [
        "prompts", "decoding", "look", "forward", "loss", "backward", "optimizer"
    ]  # fmt: skip
    assert heads[0].index("second") + len("second") == heads[1].index("look") + len("look")
    assert re.search(r"^total( +\d+\.\d\d){7} *$", out, re.MULTILINE)
    assert "a card of 8 GB" in " ".join(out.split())


PROMPTS = [  # a text as long as what is left of 700 tokens; 512 without that limit; as asked for
    (["--rollout.max_prompt_tokens", "700"], lambda visual: 700 - visual),
    ([], lambda visual: 512),
    (["--rollout.max_prompt_tokens", "700", "--prompt-tokens", "600"], lambda visual: 600),
]


@pytest.mark.parametrize(("args", "text"), PROMPTS)
def test_prompts_have_their_maximal_length(
    args: list[str], text: Callable[[int], int], capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    """The first look has half of 112 pixels a side: 2 x 2 visual tokens."""
    small = [*SMALL[:2], *SMALL[4:], "--rollout.limits.max_pixels", str(112**2)]
    _, out, _ = plan(capsys, *small, *args, "--json", str(tmp_path / "plan.json"))
    found = json.loads((tmp_path / "plan.json").read_text())
    assert found["prompt_tokens"] == {"text": text(4), "visual": 4}
    assert found["tokens"]["prompt"] == text(4) + 4
    assert f"{text(4):,} text tokens" in " ".join(out.split())


def test_json_that_can_t_be_written_is_refused_before_the_plan(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(plan_command, "estimate", None)
    for file in (tmp_path / "nowhere" / "x.json", tmp_path):
        code, _, err = plan(capsys, *SMALL, "--json", str(file))
        assert code == 2 and "--json: " in err and err.count("\n") == 1


@pytest.mark.parametrize(("args", "message"), MISTAKES)
def test_mistakes_end_in_one_line(
    args: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    code, _, err = plan(capsys, *EMBEDDED, *args)
    assert code == 2 and message in err and err.count("\n") == 1


def test_card_sizes() -> None:
    assert Card.parse("24GB").memory == Card.parse("24 gib").memory == 24 * GIB
    with pytest.raises(ConfigError):
        Card.parse("24TB")


SIZED = {
    "efficient_3b_qlora_12gb": (QWEN_2_5_3B, "12GB"),
    "efficient_7b_qlora_24gb": (QWEN_2_5_7B, "24GB"),
    "efficient_7b_lora_48gb": (QWEN_2_5_7B, "48GB"),
    "efficient_7b_lora_80gb": (QWEN_2_5_7B, "80GB"),
    "efficient_qwen3vl_4b_qlora_16gb": (QWEN_3_4B, "16GB"),
    "adaptvision_7b": (QWEN_2_5_7B, "24GB"),
    "deepeyes_7b": (QWEN_2_5_7B, "24GB"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", SIZED)
def test_a_sized_config_fits_its_card(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """With the model's true sizes; neither data nor judge are there, and nobody asks for them."""
    sizes, card = SIZED[name]
    config = ["--config", str(CONFIGS / f"{name}.yaml"), "--json"]
    model = ["--model.pretrained", write_checkpoint(tmp_path, sizes)]
    code, out, _ = plan(capsys, *config, *model, "--gpu", card)
    found = json.loads(out)
    assert code == 0 and found["fits"]
    assert 0.6 * found["card"]["usable_bytes"] < found["peak_bytes"], "the card is half empty"


@pytest.mark.long
@pytest.mark.parametrize("name", ["paper_efficient_7b", "paper_general_7b"])
def test_the_paper_s_numbers_need_more_than_a_card_has(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_command, "advise", lambda *_: Advice())  # its own test is above
    config = ["--config", str(CONFIGS / f"{name}.yaml"), "--json", "--gpu", "80GB"]
    code, out, _ = plan(
        capsys, *config, "--model.pretrained", write_checkpoint(tmp_path, QWEN_2_5_7B)
    )
    found = json.loads(out)
    assert code == 3
    language, everything = 7.62e9, 8.29e9
    backward = found["phases"]["optimizer"]
    assert backward["weights"] == pytest.approx(2 * 4 * everything, rel=0.01)  # policy, reference
    assert backward["optimizer"] == pytest.approx(8 * language, rel=0.01)
    values = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert values["data"]["prompts_per_step"] / values["model"]["updates_per_batch"] == 32
    assert found["tokens"]["prompt"] > 512 * 512


def fit_check(monkeypatch: pytest.MonkeyPatch, room: int, **settings: Any) -> list[str]:
    """What ``fit`` warns of on a GPU with this many bytes."""
    said: list[str] = []
    monkeypatch.setattr(warning, "rank_zero_warn", said.append)
    monkeypatch.setattr(Card, "here", classmethod(lambda cls: Card("the GPU here", room)))
    trainer = SimpleNamespace(
        accelerator=object.__new__(CUDAAccelerator), is_global_zero=True, precision="32-true"
    )
    module, rollout = build("embedded", {"side": 112, "new_tokens": 8, "group": 2} | settings)
    warning.warn_if_too_large(trainer, module, rollout, 1)
    return said


def test_fit_warns_once_of_a_gpu_that_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    (said,) = fit_check(monkeypatch, room=int(0.8 * GIB))
    assert "the GPU here" in said and "plan" in said
    assert fit_check(monkeypatch, room=8 * GIB) == []


def test_fit_checks_with_the_longest_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens: list[int] = []

    def kept(setup: Setup) -> SimpleNamespace:
        tokens.append(setup.text_tokens(visual_tokens=100))
        return SimpleNamespace(peak=0)

    monkeypatch.setattr(estimate, "estimate", kept)
    fit_check(monkeypatch, room=8 * GIB)
    fit_check(monkeypatch, room=8 * GIB, prompt_tokens=2000)
    assert tokens == [512, 1900]


def test_fit_continues_where_the_plan_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(setup: object) -> None:
        raise RuntimeError("an unknown layer")

    monkeypatch.setattr(estimate, "estimate", broken)
    (said,) = fit_check(monkeypatch, room=8 * GIB)
    assert "an unknown layer" in said


def test_on_a_cpu_nothing_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(estimate, "estimate", asked.append)
    monkeypatch.setattr(warning, "rank_zero_warn", asked.append)
    trainer = SimpleNamespace(accelerator=CPUAccelerator(), is_global_zero=True)
    warning.warn_if_too_large(trainer, None, None, 1)
    assert not asked
