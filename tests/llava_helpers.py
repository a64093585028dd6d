"""Small LLaVA checkpoints, made on the spot: nothing in them is Qwen's.

The tokenizer puts a ``<s>`` before what it encodes unless it is told otherwise, the template writes
turns as Mistral's does, and the tags of calls are words.
"""

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    CLIPImageProcessor,
    LlavaConfig,
    LlavaProcessor,
    PixtralImageProcessor,
    PixtralProcessor,
    PreTrainedTokenizerFast,
    ProcessorMixin,
)

from visionthink_pl.rollout.prompt_files import PROMPTS

WIDTH = 64
STD = 0.15  # as of the other families
SPECIAL = ("<unk>", "<s>", "</s>", "<pad>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]")
SPECIAL += ("[/SYSTEM_PROMPT]", "[IMG]", "[IMG_BREAK]", "[IMG_END]", "<image>")
TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{{- '[SYSTEM_PROMPT]' + message.content + '[/SYSTEM_PROMPT]' -}}
{%- elif message.role == 'user' -%}
{{- '[INST]' -}}
{%- for part in message.content -%}
{{- 'IMAGE' if part.type == 'image' else part.text -}}
{%- endfor -%}
{{- '[/INST]' -}}
{%- else -%}
{{- message.content + eos_token -}}
{%- endif -%}
{%- endfor -%}
"""
TEXT = {
    "model_type": "llama",
    "hidden_size": WIDTH,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "initializer_range": STD,
}
TOWER = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": STD,
}
# What a checkpoint's config says beside the language model.
SIZES: dict[str, dict[str, Any]] = {
    "pixtral_llava": {
        "vision_config": TOWER | {"model_type": "pixtral", "patch_size": 16},
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "full",
    },
    "clip_llava": {
        "vision_config": TOWER
        | {"model_type": "clip_vision_model", "patch_size": 14, "image_size": 56},
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "image_seq_length": 16,
    },
}
PLACEHOLDERS = {"pixtral_llava": "[IMG]", "clip_llava": "<image>"}


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte pairs, learnt from the prompts that ship."""
    bare = Tokenizer(models.BPE(unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [file.read_text(encoding="utf-8") for file in sorted(PROMPTS.glob("*.txt"))]
    bare.train_from_iterator(texts, trainer)
    start = ("<s>", bare.token_to_id("<s>"))
    bare.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[start])
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=bare, **names)


def make_llava_processor(name: str) -> ProcessorMixin:
    """The true processor classes; Pixtral's shrinks what is longer than 64 pixels, until somebody
    lifts that limit."""
    template = TEMPLATE.replace("IMAGE", PLACEHOLDERS[name])
    if name == "pixtral_llava":
        images = PixtralImageProcessor(size={"longest_edge": 64})
        return PixtralProcessor(images, make_tokenizer(), patch_size=16, chat_template=template)
    square = {"height": 56, "width": 56}
    images = CLIPImageProcessor(size={"shortest_edge": 56}, crop_size=square)
    return LlavaProcessor(
        images,
        make_tokenizer(),
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )


def make_llava_config(name: str, processor: ProcessorMixin) -> LlavaConfig:
    """The true config class with the sizes above and the tokenizer's ids."""
    ids = processor.tokenizer.get_vocab()
    text = TEXT | {
        "vocab_size": -(-len(processor.tokenizer) // 64) * 64,
        "bos_token_id": ids["<s>"],
        "eos_token_id": ids["</s>"],
        "pad_token_id": ids["<pad>"],
    }
    placeholder = ids[PLACEHOLDERS[name]]
    return LlavaConfig(text_config=text, image_token_index=placeholder, **SIZES[name])
