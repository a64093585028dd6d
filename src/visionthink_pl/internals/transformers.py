"""transformers: attention as its models call it, and models in 4 bits."""

from __future__ import annotations

from transformers.image_utils import SizeDict
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

__all__ = ["SizeDict", "sdpa_attention_forward", "sdpa_mask"]
