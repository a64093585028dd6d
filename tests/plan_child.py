"""Takes two real steps under each of the settings given, and prints the peak of resident memory."""

import gc
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from lightning import Trainer
from PIL import Image

from plan_helpers import build
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.rollout import RolloutEngine
from visionthink_pl.training.credit import Credited
from visionthink_pl.types import StopReason, ToolCall, Turn, VQASample

RESIZE = ToolCall("resize_image", {"action": "resize"})


class AskingEngine(RolloutEngine):
    """Every rollout asks while it may."""

    def _finish_turn(self, row, generated):
        turn = Turn(generated.ids, generated.logprobs, "")
        row.trajectory.turns.append(turn)
        offered = row.trajectory.tools_offered
        if offered and len(row.trajectory.turns) < self._sampling.max_turns:
            rollout = int(row.key.rpartition("/")[2])
            # Each its own part, a pixel or two off: nearly the whole, and no features are shared.
            box = [2 * rollout, 2 * len(row.trajectory.turns), 1000, 1000]
            zoom = ToolCall("zoom", {"box": box})
            turn.call = zoom if offered == ("zoom",) else RESIZE
            return self._respond(row, turn)
        row.trajectory.stop = StopReason.ANSWERED
        return None


def resident(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")


def take_step(module: VisionThinkModule, rollout, group_size: int, draw: int, optimizer) -> None:
    side = int(rollout.options.limits.max_pixels**0.5)
    noise = np.random.default_rng(draw).integers(0, 256, (side, side, 3), np.uint8)
    sample = VQASample("0", "", "", (Image.fromarray(noise),), "")
    policy, trained = module.policy, [p for p in module.parameters() if p.requires_grad]
    engine = AskingEngine(policy, rollout.sampler.conversation(module), rollout.sampling)
    with module.trainer.precision_plugin.forward_context():
        groups = engine.rollout([sample], group_size, draw)
    policy.train()
    optimizer.zero_grad()
    module.update.accumulate([Credited(t, 1.0) for group in groups for t in group.trajectories])
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    policy.forget_images()


def take_steps(folder: str, settings: dict) -> None:
    """A small step, which makes the optimizer's state, and then one of full size."""
    module, rollout = build(folder, settings)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    precision = settings.get("precision", "32-true")
    trainer = Trainer(accelerator="cpu", devices=1, precision=precision, **quiet)
    trainer.strategy.connect(module)
    module.trainer = trainer
    module.configure_model()
    module.policy.never_sampled_V[module.family.end_of_turn_id] = True
    optimizer = module.configure_optimizers()
    take_step(module, rollout, 1, 0, optimizer)
    take_step(module, rollout, rollout.group_size, 1, optimizer)


def measured(folder: str, settings: dict) -> int:
    """Peak of resident memory over what is resident once all code has been loaded.

    In bf16 without oneDNN, which keeps the code that it compiles for each shape of a product: tens
    of MiB that are no tensors, and do not grow with the model.
    """
    torch.backends.mkldnn.enabled = settings.get("precision") != "bf16-mixed"
    take_steps("embedded", settings | {"new_tokens": 2, "side": 56, "group": 2})
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    take_steps(folder, settings)
    return resident("VmHWM") - before


if __name__ == "__main__":
    torch.set_num_threads(1)
    for argument in sys.argv[2:]:
        if (child := os.fork()) == 0:
            print(measured(sys.argv[1], json.loads(argument)), flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0, argument
