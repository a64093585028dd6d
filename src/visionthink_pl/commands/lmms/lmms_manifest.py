"""What lmms-eval is told of the plug-in; lmms-eval itself is imported when it asks."""

from __future__ import annotations

from typing import Any

MODEL = "visionthink_pl"
CHAT = "visionthink_pl.commands.lmms.lmms_model.VisionThinkChat"


def manifest() -> Any:
    """The ``ModelManifest`` of ``--model visionthink_pl``."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(model_id=MODEL, chat_class_path=CHAT)
