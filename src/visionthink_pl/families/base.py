"""The interface of a model family: all that differs between families."""

from __future__ import annotations

import hashlib
import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from PIL import Image
from tokenizers import AddedToken, Tokenizer
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)

from visionthink_pl.families.inputs import Embedded, Pixels
from visionthink_pl.images import Size
from visionthink_pl.types import BoxUnit, ConfigError

Message = dict[str, Any]

UNCHANGED_LENGTH = {"truncation": None, "padding": None}  # of a tokenizer's own settings


class Family(ABC):
    """One kind of vision-language model: its processor, placeholders, positions and syntax.

    ``docs/new-family.md`` says how to add one.

    Args:
        processor: as its checkpoint has it.
        trust_remote_code: whether code that comes with a checkpoint may run.

    Attributes:
        model_type: what its checkpoints' configs call it.
        end_of_turn: the token with which the model ends its turn.
        pad: the token that fills up a row of a batch.
        placeholder: the token that stands for an image, once for each visual token.
        vision_tokens: tokens that only a user's turn may hold: they are never sampled.
        turn_tokens: control tokens that a turn may hold besides ``end_of_turn`` and ``call_tags``.
        call_tags: between which a turn writes a tool call, as JSON.
        response_tags: between which it is given what the tool returned.
        lora_targets: regular expression (full match on module names) of the linear layers of the
            language model; it stays out of the vision tower, whose features remain those it had.
        vision_tower: name of the vision tower among the model's modules.
        head: name of the layer that predicts ids.
        box_unit: in which it names boxes; ``None`` where it was trained to name none.
        addressable: tokens that the model can address; ``None`` where its config does not say.
        shares_prompts: whether all of its layers look back by attention alone, so that in
            training a group's continuations can stand behind one copy of their prompt.
    """

    model_type: ClassVar[str]
    end_of_turn: ClassVar[str]
    pad: ClassVar[str]
    placeholder: ClassVar[str]
    vision_tokens: ClassVar[tuple[str, ...]]
    turn_tokens: ClassVar[tuple[str, ...]] = ("<think>", "</think>", "<answer>", "</answer>")
    call_tags: ClassVar[tuple[str, str]]
    response_tags: ClassVar[tuple[str, str]]
    lora_targets: ClassVar[str]
    vision_tower: ClassVar[str]
    head: ClassVar[str] = "lm_head"
    box_unit: ClassVar[BoxUnit | None] = None
    shares_prompts: ClassVar[bool] = True
    addressable: int | None = None

    def __init__(self, processor: ProcessorMixin, trust_remote_code: bool = False) -> None:
        self.processor = processor
        self.tokenizer: PreTrainedTokenizerBase = processor.tokenizer
        self.trust_remote_code = trust_remote_code
        self.lift_limits()

    @classmethod
    def from_pretrained(cls, path: str | Path, trust_remote_code: bool = False) -> Self:
        """Load the processor (never the weights) from a hub id or a local folder."""
        processor = AutoProcessor.from_pretrained(str(path), trust_remote_code=trust_remote_code)
        return cls(processor, trust_remote_code)

    def skeleton(self, path: str | Path) -> PreTrainedModel:
        """The model without its weights, on the meta device, from its config alone."""
        trust = self.trust_remote_code
        config = AutoConfig.from_pretrained(str(path), trust_remote_code=trust)
        with torch.device("meta"):
            return AutoModelForImageTextToText.from_config(config, trust_remote_code=trust)

    def load_model(
        self,
        path: str | Path,
        dtype: torch.dtype,
        attention: str,
        quantization: BitsAndBytesConfig | None = None,
    ) -> PreTrainedModel:
        """Load the weights, in eval mode, all frozen; the language model with the attention
        function that transformers knows by this name, the vision tower with its own.

        Raises:
            ConfigError: there are none, or some are missing, which transformers would make up.
        """
        implementations = {"text_config": attention, "vision_config": "sdpa", "": "sdpa"}
        try:
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                str(path),
                dtype=dtype,
                attn_implementation=implementations,
                quantization_config=quantization,
                trust_remote_code=self.trust_remote_code,
                output_loading_info=True,
            )
        except OSError as error:  # an unfinished download, for one
            raise ConfigError(f"model.pretrained: no weights in {str(path)!r}: {error}") from error
        model, info = loaded
        if missing := sorted(info["missing_keys"]):
            raise ConfigError(
                f"model.pretrained: {str(path)!r} lacks {len(missing)} of the model's weights, "
                f"{missing[0]} among them"
            )
        return model.requires_grad_(False).eval()

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

    @cached_property
    def end_of_turn_id(self) -> int:
        """The id of ``end_of_turn``."""
        return self.token_id(self.end_of_turn)

    @cached_property
    def pad_id(self) -> int:
        """The id of ``pad``."""
        return self.token_id(self.pad)

    @cached_property
    def image_token_id(self) -> int:
        """The id of ``placeholder``."""
        return self.token_id(self.placeholder)

    def never_sampled(self, vocab_size: int) -> Tensor:
        """Mask of shape (V,): ids that are given probability 0 wherever a distribution is formed.

        Vision and padding tokens, all further control tokens that no turn may hold, and ids that
        the tokenizer lacks.
        """
        mask_V = torch.zeros(vocab_size, dtype=torch.bool)
        mask_V[len(self.tokenizer) :] = True
        mask_V[[self.token_id(token) for token in (*self.vision_tokens, self.pad)]] = True
        said = {self.end_of_turn, *self.call_tags, *self.turn_tokens}
        for i, token in self.tokenizer.added_tokens_decoder.items():
            if i < vocab_size and self.is_control(token) and token.content not in said:
                mask_V[i] = True
        return mask_V

    def is_control(self, token: AddedToken) -> bool:
        """Whether an added token is a control token; by default those flagged as special."""
        return bool(token.special)

    def render(self, messages: Sequence[Message], generation_prompt: bool) -> str:
        """Apply the chat template; each image is one placeholder in the text."""
        return self.processor.apply_chat_template(
            list(messages), add_generation_prompt=generation_prompt, tokenize=False
        )

    @cached_property
    def digest(self) -> str:
        """Hash of the processor's files: another processor may count tokens otherwise."""
        digest = hashlib.sha256(type(self).__qualname__.encode())
        with tempfile.TemporaryDirectory() as folder:
            self.processor.save_pretrained(folder)
            for file in sorted(Path(folder).rglob("*")):
                if file.is_file():
                    digest.update(file.name.encode() + file.read_bytes())
        return digest.hexdigest()

    def encode(self, text: str, images: Sequence[Image.Image | Size]) -> list[int]:
        """Tokenize rendered text, each image's placeholder expanded to its visual tokens.

        Raises:
            ValueError: there are more placeholders than images, or fewer.
        """
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        placeholders = ids.count(self.image_token_id)
        if placeholders != len(images):
            raise ValueError(f"{placeholders} image placeholders for {len(images)} images")
        blocks = iter([self.image_ids(image) for image in images])
        return [token for i in ids for token in (next(blocks) if i == self.image_token_id else [i])]

    def image_ids(self, image: Image.Image | Size) -> list[int]:
        """The ids that take the place of an image's one placeholder in rendered text: by default
        as many placeholders as it has visual tokens, and nothing between them."""
        return [self.image_token_id] * self.visual_tokens(image)

    def encode_words(self, text: str) -> list[int]:
        """Tokenize what a user wrote: the names of added tokens, whether flagged as special or not,
        are words like any others."""
        return self._words.encode(text, add_special_tokens=False).ids

    def holds_markup(self, text: str) -> bool:
        """Whether ``text`` contains the name of an added token other than the call tags, which a
        prompt may spell out since the model is to write them."""
        names = {token.content for token in self.tokenizer.added_tokens_decoder.values()}
        return any(name in text for name in names - {*self.call_tags})

    @cached_property
    def _words(self) -> Tokenizer:
        """The tokenizer without its added tokens."""
        plain = json.loads(self.tokenizer.backend_tokenizer.to_str())
        return Tokenizer.from_str(json.dumps(plain | {"added_tokens": []} | UNCHANGED_LENGTH))

    @abstractmethod
    def lift_limits(self) -> None:
        """Open the processor's own pixel limits: how large an image may be is decided once, in
        ``images.PixelLimits``, and a processor that enlarged the first look, or shrank the second,
        would undo it."""

    def limit(self, max_pixels: int) -> None:
        """Give the processor the limits that it is exported with. An image of at most
        ``max_pixels`` is to be read as in training; a larger one is to be shrunk. By default the
        limits stay open."""

    @abstractmethod
    def visual_tokens(self, image: Image.Image | Size) -> int:
        """How many visual tokens an image takes in the language model, which is how many
        placeholders are among ``image_ids``; its ``width`` and ``height`` decide."""

    def seen(self, image: Image.Image | Size) -> Size:
        """The size in which the vision tower reads an image, which is what a model means by its
        pixels; by default the image's own."""
        return Size(image.width, image.height)

    @abstractmethod
    def pixels(self, images: Sequence[Image.Image]) -> Pixels:
        """Preprocess images for the vision tower."""

    @abstractmethod
    def image_features(self, model: PreTrainedModel, pixels: Pixels) -> Sequence[Tensor]:
        """Run the vision tower: for each image its visual tokens, (levels, visual tokens, D).

        The first level takes the placeholders' place among the embeddings; what follows, if
        anything does, is what ``hidden`` finds in ``Embedded.deep``.
        """

    @abstractmethod
    def hidden(
        self,
        model: PreTrainedModel,
        embedded: Embedded,
        positions_ANT: Tensor,
        **attention: Any,
    ) -> Tensor:
        """Run the language model; its last states, (N, T, D), from which the head predicts.

        Args:
            model: its own attention function must be ``policy.attention.attend``.
            embedded: what it reads, (N, T).
            positions_ANT: rotary positions: A axes as ``positions`` gives them, or 1 where they
                are alike, as those of text are.
            attention: what is attended to. ``packing``: how one row is packed. Or ``cache``,
                whose ``update`` takes new keys and values and returns all, with ``mask`` of shape
                (N, 1, T, keys) or ``places_NT``, the places of the tokens in their rows; without
                either it is causal. ``packing`` and ``places_NT`` are for the attention function.
        """

    def positions(
        self, model: PreTrainedModel, ids_NT: Tensor, attention_NT: Tensor, sizes: Tensor | None
    ) -> Tensor:
        """Rotary positions, shape (A, N, T), A axes that text has alike. They begin at 0; text goes
        on by 1 behind the largest so far, and what is read later is shifted to there. By default
        there is one axis, and the position of a token is its place.

        Args:
            model: whose positions they are; its weights may be missing.
            ids_NT: rows, filled up behind.
            attention_NT: 1 where there is a token, 0 where the row is filled up.
            sizes: those of ``Pixels``, the images row by row; ``None`` where there is none.
        """
        return torch.arange(ids_NT.shape[1], device=ids_NT.device).expand(1, *ids_NT.shape)
