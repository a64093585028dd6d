"""Checkpoints as a run leaves them, without a run; and what was exported, loaded as a stranger
would."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import yaml
from peft import PeftModel

from model_helpers import sample_of_size
from visionthink_pl.commands.export.export import main
from visionthink_pl.images import PixelLimits
from visionthink_pl.policy import Policy
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import Trajectory, VQASample

LIMITS = PixelLimits(max_pixels=112 * 112)
NEW_TOKENS = 32
BATCHES = 80
# As large as may be; shrunk, to what rounds to more than the limit; shrunk; one look only.
SIZES = ((112, 112), (168, 84), (280, 290), (28, 28))


def save_run(
    policy: Policy,
    folder: Path,
    pretrained: str = "embedded",
    precision: str | None = None,
    **model: Any,
) -> tuple[Path, dict[str, Any]]:
    """Write ``config.yaml``, and the policy as a checkpoint of Lightning's with the adapter beside
    it; return the ``.ckpt`` and the config."""
    (folder / "checkpoints").mkdir(parents=True)
    config = {
        "seed_everything": 0,
        "trainer": {"precision": precision},
        "model": {"pretrained": pretrained, **model},
        "data": {"train": {"class_path": "visionthink_pl.data.LookCloser"}, "validation": None},
        "rollout": {
            "max_new_tokens": NEW_TOKENS,
            "limits": {"max_pixels": LIMITS.max_pixels},
            "first_view": {"class_path": "visionthink_pl.images.HalfView"},
            "tools": [{"class_path": "visionthink_pl.visual_tools.ResizeImage"}],
            "rewards": [{"class_path": "nowhere.ThatIsNoneOfExportsBusiness"}],
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    file = folder / "checkpoints" / f"step={BATCHES}.ckpt"
    trained = {
        f"policy.{name}": p.detach() for name, p in policy.named_parameters() if p.requires_grad
    }
    total = {"ready": BATCHES, "completed": BATCHES}
    loops = {"fit_loop": {"epoch_loop.batch_progress": {"total": total}}}
    torch.save({"state_dict": trained, "global_step": BATCHES, "loops": loops}, file)
    if isinstance(policy.model, PeftModel):
        policy.model.save_pretrained(file.with_suffix(""), selected_adapters=["default"])
    return file, config


def export(ckpt: Path, out: Path, *args: str | Path) -> Path:
    """Run the command; return the folder."""
    assert main(["--ckpt", str(ckpt), "--out", str(out), *map(str, args)]) == 0
    return out


def example_of(folder: Path) -> ModuleType:
    """The exported example, from its own folder."""
    spec = importlib.util.spec_from_file_location(f"example_{folder.name}", folder / "example.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def conversation_of(policy: Policy) -> Conversation:
    """As ``save_run``'s config has it."""
    return Conversation(policy.family, ConversationOptions(limits=LIMITS))


def samples() -> list[VQASample]:
    return [sample_of_size(width, height) for width, height in SIZES]


def trajectories_of_trainer(policy: Policy) -> list[Trajectory]:
    """For each sample a trajectory, greedy, from the rollout engine."""
    sampling = Sampling(max_turns=2, max_new_tokens=NEW_TOKENS, rows=99, seed=0)
    engine = RolloutEngine(policy, conversation_of(policy), sampling)
    groups = engine.rollout(samples(), 1, draw=0, greedy=True)
    return [group.trajectories[0] for group in groups]


def turns_of_trainer(policy: Policy) -> list[list[list[int]]]:
    """For each sample the ids of each turn."""
    trajectories = trajectories_of_trainer(policy)
    return [[turn.generated_ids for turn in trajectory.turns] for trajectory in trajectories]


def turns_of_export(folder: Path) -> list[list[list[int]]]:
    """The same from what was exported, by its own example."""
    example = example_of(folder)
    model, processor = example.load()
    return [example.ask(model, processor, s.images[0], s.question) for s in samples()]


def teach_to_call(policy: Policy, steps: int = 12) -> None:
    """Teach what the embedded model says now and then: to ask for the full image."""
    sampling = Sampling(max_turns=2, max_new_tokens=NEW_TOKENS, rows=99, seed=0)
    groups = RolloutEngine(policy, conversation_of(policy), sampling).rollout(samples(), 16, draw=0)
    asked = [next((t for t in group.trajectories if t.high), None) for group in groups]
    wanted = [trajectory for trajectory in asked if trajectory is not None]
    trained = [p for p in policy.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        (-policy(wanted).mean()).backward()
        optimizer.step()
    policy.features.clear()


def read_card(folder: Path) -> tuple[Mapping[str, Any], str]:
    """The model card's front matter, and the rest."""
    _, front, rest = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), rest
