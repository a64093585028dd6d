"""The embedded model before training: tokenizer, chat template, processor, random weights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from visionthink_pl.data import lookcloser
from visionthink_pl.rollout.conversation import signature
from visionthink_pl.rollout.prompt_files import PROMPTS
from visionthink_pl.visual_tools import ResizeImage

from .turns import CALL_TURN, answer_turn

VOCAB_SIZE = 768
CONTROL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
UNUSED_TOKENS = (  # Qwen's, so that no text can mean anything else by them
    "<|vision_pad|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
)
TAG_TOKENS = (
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
)

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.content is string -%}
{{- message.content -}}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}
{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
{%- elif part.type == 'text' -%}
{{- part.text -}}
{%- else -%}
{{- raise_exception('a part is an image or a text, not ' + part.type) -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def corpus() -> Iterator[str]:
    """All that the model is trained to read and write, cut at the tokens that stand alone."""
    whole = re.compile("|".join(re.escape(token) for token in CONTROL_TOKENS + TAG_TOKENS))
    for text in texts():
        yield from whole.split(text)


def texts() -> Iterator[str]:
    """The same, as it is written."""
    for name in ("look_closer", "one_look"):
        yield (PROMPTS / f"{name}.txt").read_text(encoding="utf-8")
    yield signature(ResizeImage(), None)
    yield CALL_TURN
    answers = [*lookcloser.COLOURS, *lookcloser.SHAPES, *lookcloser.DIGITS, *lookcloser.LETTERS]
    yield from (answer_turn(answer) for answer in answers)
    yield from lookcloser.QUESTIONS.values()
    yield from ("system\n", "user\n", "assistant\n")


def build_tokenizer() -> Qwen2Tokenizer:
    """Train a byte-level BPE on the shipped prompts and questions: any text can be encoded."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(CONTROL_TOKENS) - len(TAG_TOKENS),
        min_frequency=1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(corpus(), trainer)
    trained = json.loads(bpe.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=trained["vocab"],
        merges=[tuple(merge) for merge in trained["merges"]],
        eos_token="<|im_end|>",  # noqa: S106
        model_max_length=4096,
    )
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL_TOKENS])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in TAG_TOKENS])
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in UNUSED_TOKENS])
    return tokenizer


def build_processor() -> Qwen2_5_VLProcessor:
    """The true processor class; its pixel limits suit images of a few hundred pixels."""
    size = {"shortest_edge": 28 * 28, "longest_edge": 448 * 448}
    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=size),
        tokenizer=build_tokenizer(),
        video_processor=Qwen2VLVideoProcessor(size=size),
        chat_template=CHAT_TEMPLATE,
    )


def build_config(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLConfig:
    """The true architecture, about 1.6M parameters."""
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in CONTROL_TOKENS}
    vocab_size = -(-len(tokenizer) // 64) * 64
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": vocab_size,
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [4, 6, 6],
            },
            "bos_token_id": None,
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
        },
        vision_config={
            "depth": 4,
            "hidden_size": 96,
            "intermediate_size": 256,
            "num_heads": 4,
            "out_hidden_size": 128,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 112,
            "fullatt_block_indexes": [1, 3],
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )


def build_untrained(folder: Path) -> Qwen2_5_VLForConditionalGeneration:
    """Write processor and config to ``folder``; return the model with random weights."""
    processor = build_processor()
    processor.save_pretrained(folder)
    model = Qwen2_5_VLForConditionalGeneration(build_config(processor.tokenizer))
    for module in model.model.visual.modules():
        if isinstance(module, torch.nn.Linear):  # Qwen's std of 0.02 never learns to read
            torch.nn.init.xavier_uniform_(module.weight)
    return model
