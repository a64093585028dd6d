"""What the rest of the house needs to know of a model family, and nothing more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)

from visionthink_pl.types import ConfigError

Message = dict[str, Any]


@dataclass(frozen=True)
class Pixels:
    """Images as a vision tower takes them.

    Attributes:
        values: (sum of P over the images, patch width), normalised.
        grid_thw: (images, 3), patches in time, height and width.
    """

    values: Tensor
    grid_thw: Tensor

    def to(self, device: torch.device) -> Pixels:
        return Pixels(self.values.to(device), self.grid_thw.to(device))


class Family(ABC):
    """One kind of vision-language model: its processor, placeholders, positions and syntax.

    Attributes:
        lora_targets: regular expression (full match on module names) of the linear layers of
            the language model; it stays out of the vision tower, so that image features
            remain those of the frozen model.
        vision_tower: name of the vision tower among the model's modules.
        shares_prompts: whether all of its layers look back by attention alone, so that in
            training a group's continuations can stand behind one copy of their prompt.
    """

    lora_targets: ClassVar[str]
    vision_tower: ClassVar[str]
    shares_prompts: ClassVar[bool] = True

    def __init__(self, processor: ProcessorMixin) -> None:
        self.processor = processor
        self.tokenizer: PreTrainedTokenizerBase = processor.tokenizer

    @classmethod
    @abstractmethod
    def from_pretrained(cls, path: str | Path) -> Family:
        """Load the processor (never the weights) from a hub id or a local folder."""

    def skeleton(self, path: str | Path) -> PreTrainedModel:
        """The model without its weights, on the meta device, from its config alone."""
        with torch.device("meta"):
            return AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(str(path)))

    @abstractmethod
    def load_model(self, path: str | Path, dtype: torch.dtype, attention: str) -> PreTrainedModel:
        """Load the weights, in eval mode, all frozen; the language model with the attention
        function that transformers knows by this name, the vision tower with its own."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``, special tokens included."""
        return str(self.tokenizer.decode(list(ids)))

    def token_id(self, token: str) -> int:
        """The id of one token by its name.

        Raises:
            ConfigError: the tokenizer does not have it.
        """
        vocab = self.tokenizer.get_vocab()
        if token not in vocab:
            raise ConfigError(f"model.pretrained: its tokenizer has no token {token}")
        return vocab[token]

    @property
    @abstractmethod
    def end_of_turn_id(self) -> int:
        """The id with which the model ends its turn."""

    @property
    @abstractmethod
    def pad_id(self) -> int:
        """The id that fills up a row of a batch."""

    @property
    @abstractmethod
    def image_token_id(self) -> int:
        """The placeholder: one for each visual token."""

    @abstractmethod
    def never_sampled(self, vocab_size: int) -> Tensor:
        """Mask of shape (V,): ids that are given probability 0 wherever a distribution is formed.

        Vision and padding tokens, and ids that the tokenizer lacks.
        """

    @abstractmethod
    def render(self, messages: Sequence[Message], generation_prompt: bool) -> str:
        """Apply the chat template; each image is one placeholder in the text."""

    @abstractmethod
    def encode(self, text: str, images: Sequence[Image.Image]) -> list[int]:
        """Tokenize rendered text, each image's placeholder expanded to its visual tokens."""

    def encode_words(self, text: str) -> list[int]:
        """Tokenize what a user wrote: the names of control tokens are words like any others."""
        return self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    @abstractmethod
    def visual_tokens(self, image: Image.Image) -> int:
        """How many visual tokens the image takes in the language model."""

    @abstractmethod
    def pixels(self, images: Sequence[Image.Image]) -> Pixels:
        """Preprocess images for the vision tower."""

    @abstractmethod
    def image_features(self, model: PreTrainedModel, pixels: Pixels) -> Sequence[Tensor]:
        """Run the vision tower: for each image its visual tokens, (visual tokens, D)."""

    @abstractmethod
    def hidden(
        self, model: PreTrainedModel, embeds_NTD: Tensor, positions_3NT: Tensor, **attention: Any
    ) -> Tensor:
        """Run the language model; its last states, (N, T, D), from which the head predicts.

        Args:
            model: its own attention function must be ``policy.attention.attend``.
            embeds_NTD: embeddings.
            positions_3NT: rotary positions.
            attention: what is attended to. ``packing``: how one row is packed. Or ``cache``,
                whose ``update`` takes new keys and values and returns all, and ``mask`` of shape
                (N, 1, T, keys); without a mask it is causal.
        """

    @abstractmethod
    def positions(
        self, model: PreTrainedModel, ids_NT: Tensor, attention_NT: Tensor, grid_thw: Tensor | None
    ) -> Tensor:
        """Rotary positions, shape (3, N, T); ``grid_thw`` lists the images row by row,
        ``None`` where there is none."""
