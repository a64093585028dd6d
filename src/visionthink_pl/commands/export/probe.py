"""A made-up answer, to compare two forms of a model by its log-probabilities."""

from __future__ import annotations

import torch
from peft import PeftModel
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel

from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.policy import Policy
from visionthink_pl.policy.attention import SHARED_PREFIX
from visionthink_pl.types import Turn, VQASample

ATTENTION = SHARED_PREFIX  # attention that a probed model must be loaded with
SIDE = 112  # pixels
ANSWER = "<think>It gets brighter from top to bottom.</think>\n<answer>a gradient</answer>"


def made_up_sample() -> VQASample:
    """A question with an image that is large enough for a second look."""
    image = Image.linear_gradient("L").resize((SIDE, SIDE)).convert("RGB")
    return VQASample("made up", "What does the image show?", "", (image,), "made up")


class Probe:
    """Computes a model's log-probabilities of a made-up answer about a made-up image.

    Args:
        run: that the prompt comes from.
    """

    def __init__(self, run: Run) -> None:
        ids = [*run.family.encode(ANSWER, []), run.family.end_of_turn_id]
        self._family, self._mixed = run.family, run.dtype == torch.bfloat16
        self._trajectory = run.conversation.open(made_up_sample()).trajectory
        self._trajectory.turns.append(Turn(ids, [], ANSWER))

    @torch.no_grad()
    def __call__(self, model: PreTrainedModel | PeftModel, as_trained: bool) -> Tensor:
        """Log-probabilities in nats of the answer's ids, shape (K,).

        Args:
            model: loaded with ``ATTENTION``.
            as_trained: compute in the run's mixed precision, where it had one.
        """
        policy = Policy(model, self._family, temperature=1.0)
        mixed = self._mixed and as_trained
        with torch.autocast(model.device.type, torch.bfloat16, enabled=mixed):
            return policy([self._trajectory]).cpu()
