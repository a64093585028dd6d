"""Ask this model about an image: it is shown small, and in full where the model asks for it.

    python example.py photo.png "What does the sign say?"

It needs torch, torchvision, transformers and accelerate; where this is an adapter, peft too, and
bitsandbytes where the base is held in 4 bits.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    BitsAndBytesConfig,
    GenerationConfig,
)

FOLDER = Path(__file__).parent
SETTINGS = json.loads((FOLDER / "conversation.json").read_text(encoding="utf-8"))


def load() -> tuple[Any, Any]:
    """Load the model, in the precision of training, and its processor."""
    quantization = SETTINGS["quantization"]
    model: Any = AutoModelForImageTextToText.from_pretrained(
        SETTINGS["base"] or FOLDER,
        dtype=SETTINGS["dtype"],
        device_map="cuda" if torch.cuda.is_available() else "cpu",
        quantization_config=quantization and BitsAndBytesConfig.from_dict(quantization),
    )
    if SETTINGS["base"]:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(FOLDER))
    model.generation_config = GenerationConfig.from_pretrained(FOLDER)
    return model.eval(), AutoProcessor.from_pretrained(FOLDER)


def upright(image: Image.Image) -> Image.Image:
    """Convert as in training: EXIF orientation applied, transparency on white, 8-bit RGB."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def within_limits(image: Image.Image) -> Image.Image:
    """The full image, resized only where it is outside of the pixel limits."""
    pixels, least, most = image.width * image.height, SETTINGS["min_pixels"], SETTINGS["max_pixels"]
    if least <= pixels <= most:
        return image
    shrink = pixels > most
    scale = math.sqrt((most if shrink else least) / pixels)
    exact = (image.width * scale, image.height * scale)
    width, height = (math.floor(side) if shrink else math.ceil(side) for side in exact)
    return image.resize((max(1, width), max(1, height)), Image.Resampling.BICUBIC)


def half(image: Image.Image) -> Image.Image:
    """The first look: half the width and half the height."""
    size = (max(1, image.width // 2), max(1, image.height // 2))
    return image.resize(size, Image.Resampling.BICUBIC)


def encode(processor: Any, text: str, images: list[Image.Image]) -> dict[str, torch.Tensor]:
    """The model's inputs for a text with images; the text has all special tokens in it."""
    return dict(
        processor(text=[text], images=images, return_tensors="pt", add_special_tokens=False)
    )


def prompt(processor: Any, system: str, question: str, image: Image.Image) -> dict[str, Any]:
    """The inputs of the first turn."""
    user = [{"type": "image"}, {"type": "text", "text": question}]
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return encode(processor, text, [image])


def opening(
    processor: Any, image: Image.Image, first: Image.Image, question: str
) -> tuple[dict[str, Any], bool]:
    """The prompt, and whether a second look is offered: only where it has more visual tokens."""
    in_full = prompt(processor, SETTINGS["prompt_without_tools"], question, image)
    if SETTINGS["tool_response"] is None:
        return in_full, False
    small = prompt(processor, SETTINGS["prompt"], question, first)
    token = processor.tokenizer.convert_tokens_to_ids(SETTINGS["image_token"])
    visual = [(p["input_ids"] == token).sum() for p in (small, in_full)]
    return (small, True) if visual[0] < visual[1] else (in_full, False)


def generate(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """Generate one turn; return all ids so far, shape (1, T). Greedy, by the generation config."""
    return model.generate(**{name: value.to(model.device) for name, value in inputs.items()}).cpu()


def continued(
    processor: Any,
    ids: torch.Tensor,
    before: dict[str, Any],
    more: dict[str, Any],
    images: list[Image.Image],
) -> dict[str, torch.Tensor]:
    """Inputs of the next turn: ``ids`` as generated, never encoded again, and ``more`` after.

    Both images go through the processor together, since some make them equally large.
    """
    generated = ids[:, before["input_ids"].shape[1] :]
    between = {"input_ids": generated, "attention_mask": torch.ones_like(generated)}
    inputs = encode(processor, SETTINGS["image_token"] * len(images), images)
    for name, value in before.items():
        if value.shape == before["input_ids"].shape:  # one for each token; 0 for what is text
            parts = (value, between.get(name, torch.zeros_like(generated)), more[name])
            inputs[name] = torch.cat(parts, 1)
    return inputs


def calls(model: Any, processor: Any, turn: list[int]) -> bool:
    """Whether a finished turn contains a tool call; the call's arguments are not checked."""
    finished = turn[-1] == model.generation_config.eos_token_id
    return finished and SETTINGS["call"] in processor.decode(turn)


def ask(model: Any, processor: Any, image: Image.Image, question: str) -> list[list[int]]:
    """The ids of each turn: one, or two where the model calls for the full image."""
    image = within_limits(upright(image))
    first = half(image)
    inputs, offered = opening(processor, image, first, question)
    ids = generate(model, inputs)
    turns = [ids[0, inputs["input_ids"].shape[1] :].tolist()]
    if offered and calls(model, processor, turns[0]):
        more = encode(processor, SETTINGS["tool_response"], [image])
        inputs = continued(processor, ids, inputs, more, [first, image])
        ids = generate(model, inputs)
        turns.append(ids[0, inputs["input_ids"].shape[1] :].tolist())
    return turns


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Ask this model about an image.")
    parser.add_argument("image", help="a picture's file")
    parser.add_argument("question")
    asked = parser.parse_args()  # before anything is loaded
    photo = Image.open(asked.image)
    model, processor = load()
    for turn in ask(model, processor, photo, asked.question):
        print(processor.decode(turn, skip_special_tokens=True))
