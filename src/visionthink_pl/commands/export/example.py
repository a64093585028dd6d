"""Ask this model about an image: it may call a tool to look closer, as it did in training.

    python example.py photo.png "What does the sign say?"

It needs torch, torchvision, transformers and accelerate; where this is an adapter, peft too, and
bitsandbytes where the base is held in 4 bits.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

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
Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels of the original
UNFIT = "The arguments do not match the tool's parameters."


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
        processor(text=[text], images=images or None, return_tensors="pt", add_special_tokens=False)
    )


class ShownView(NamedTuple):
    """An image that is shown, which part of the original it is, and in which size it is read."""

    image: Image.Image
    box: Box | None = None
    seen: tuple[int, int] = (0, 0)


class Looked(NamedTuple):
    """What a tool is told: the original, all of it within the limits, and what was shown so far."""

    original: Image.Image
    full: Image.Image
    views: list[ShownView]


class Refused(ValueError):
    """A call that can't be carried out; the model reads why."""


def resize_image(looked: Looked, options: dict[str, Any], arguments: Any) -> ShownView:
    """The whole image within the limits, once."""
    if arguments != {"action": "resize"}:
        raise Refused(UNFIT)
    if any(view.box is None and view.image.size == looked.full.size for view in looked.views):
        raise Refused("The image has already been shown at full resolution.")
    return ShownView(looked.full)


def zoom(looked: Looked, options: dict[str, Any], arguments: Any) -> ShownView:
    """A box of a view, cut out of the original."""
    numbers, number = needed(arguments, "box", "view")
    if not (isinstance(numbers, list) and len(numbers) == 4 and all(map(is_number, numbers))):
        raise Refused(UNFIT)
    if number > len(looked.views):
        raise Refused(f"There is no view {number}: {len(looked.views)} were shown.")
    box = box_in_original(numbers, options["unit"], looked.views[number - 1], looked)
    return part(looked, box, options["enlarge"])


def zoom_part(looked: Looked, options: dict[str, Any], arguments: Any) -> ShownView:
    """A part by its name, once."""
    name, number = needed(arguments, "part", "image")
    if not (isinstance(name, str) and name in options["parts"]):
        raise Refused(UNFIT)
    if number > 1:
        raise Refused(f"There is no image {number}: there are 1.")
    box = box_in_original(options["parts"][name], "ratio", ShownView(looked.original), looked)
    view = part(looked, box, options["enlarge"])
    if any(one.box == view.box for one in looked.views if one.box):
        raise Refused("This part has already been shown.")
    return view


TOOLS = {"resize_image": resize_image, "zoom": zoom, "zoom_part": zoom_part}


def needed(arguments: Any, name: str, numbered: str) -> tuple[Any, int]:
    """The argument that is needed, and a number from 1 that may be left out."""
    if not isinstance(arguments, dict) or not {name} <= set(arguments) <= {name, numbered}:
        raise Refused(UNFIT)
    number = arguments.get(numbered, 1)
    if not (is_number(number) and number == int(number) >= 1):
        raise Refused(UNFIT)
    return arguments[name], int(number)


def is_number(value: object) -> bool:
    """A number of JSON; its true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def box_in_original(numbers: list[float], unit: str, view: ShownView, looked: Looked) -> Box:
    """The part of the original that a box within a view means, rounded outwards and cut off."""
    sides = {"pixels": view.seen, "thousandths": (1000, 1000), "ratio": (1, 1)}[unit]
    region, box = view.box or (0, 0, *looked.original.size), [0] * 4
    for axis, names in enumerate((("left", "right"), ("top", "bottom"))):
        if not numbers[axis] < numbers[axis + 2]:
            raise Refused(f"The box is empty: {names[0]} must be less than {names[1]}.")
    for axis, side in enumerate(sides):
        low, high = max(numbers[axis] / side, 0.0), min(numbers[axis + 2] / side, 1.0)
        if not low < high:
            raise Refused("The box lies outside of the image.")
        start, length = region[axis], region[axis + 2] - region[axis]
        box[axis] = start + math.floor(low * length + 1e-6)
        box[axis + 2] = start + math.ceil(high * length - 1e-6)
    width, height = box[2] - box[0], box[3] - box[1]
    found = f"{width} x {height} pixels of the image"
    if min(width, height) < 8:
        raise Refused(f"The box is too small: {found}; at least 8 x 8.")
    if max(width, height) > 50 * min(width, height):
        raise Refused(f"The box is too thin: {found}; at most 50 to 1.")
    return box[0], box[1], box[2], box[3]


def part(looked: Looked, box: Box, enlarge: float) -> ShownView:
    """A part of the original, enlarged as far as the limits let it, or shrunk into them."""
    image = looked.original.crop(box)
    room = math.sqrt(SETTINGS["max_pixels"] / (image.width * image.height))
    if (scale := min(enlarge, room)) > 1:
        size = (int(image.width * scale), int(image.height * scale))
        image = image.resize(size, Image.Resampling.BICUBIC)
    whole = box == (0, 0, *looked.original.size)
    return ShownView(within_limits(image), None if whole else box)


def seen(processor: Any, view: ShownView) -> ShownView:
    """With the size in which the vision tower reads it, which boxes in pixels refer to."""
    inputs = encode(processor, SETTINGS["image_token"], [view.image])
    if "image_grid_thw" not in inputs:
        return view._replace(seen=view.image.size)
    _, high, wide = inputs["image_grid_thw"][0].tolist()
    patch = processor.image_processor.patch_size
    return view._replace(seen=(wide * patch, high * patch))


def prompt(processor: Any, system: str, question: str, image: Image.Image) -> dict[str, Any]:
    """The inputs of the first turn."""
    user = [{"type": "image"}, {"type": "text", "text": question}]
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return encode(processor, text, [image])


def offered(processor: Any, full: Image.Image, first: Image.Image) -> list[dict[str, Any]]:
    """The tools that could add something: the full image where it has more visual tokens than the
    first look, and parts of an image that has more than one."""
    token = processor.tokenizer.convert_tokens_to_ids(SETTINGS["image_token"])
    inputs = [encode(processor, SETTINGS["image_token"], [image]) for image in (full, first)]
    whole, small = (int((one["input_ids"] == token).sum()) for one in inputs)
    least = {"resize_image": small, "zoom": 1, "zoom_part": 1}
    return [tool for tool in SETTINGS["tools"] if whole > least[tool["name"]]]


def opening(
    processor: Any, looked: Looked, question: str, tools: list[dict[str, Any]]
) -> dict[str, Any]:
    """The prompt: the first look where a tool is offered, else the whole image."""
    if not tools:
        return prompt(processor, SETTINGS["prompt_without_tools"], question, looked.full)
    signatures = "\n".join(tool["signature"] for tool in tools)
    system = SETTINGS["prompt_with_slot"].replace("{tools}", signatures)
    return prompt(processor, system, question, looked.views[0].image)


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

    All images go through the processor together, since some make them equally large.
    """
    generated = ids[:, before["input_ids"].shape[1] :]
    between = {"input_ids": generated, "attention_mask": torch.ones_like(generated)}
    inputs = encode(processor, SETTINGS["image_token"] * len(images), images)
    for name, value in before.items():
        if value.shape == before["input_ids"].shape:  # one for each token; 0 for what is text
            behind = more.get(name, torch.zeros_like(more["input_ids"]))
            parts = (value, between.get(name, torch.zeros_like(generated)), behind)
            inputs[name] = torch.cat(parts, 1)
    return inputs


def calls(model: Any, processor: Any, turn: list[int]) -> bool:
    """Whether a finished turn contains a tool call."""
    finished = turn[-1] == model.generation_config.eos_token_id
    return finished and SETTINGS["call"][0] in processor.decode(turn)


def finite(number: str) -> float:
    """A number of JSON, which has none for what is not finite."""
    if not math.isfinite(value := float(number)):
        raise ValueError(number)
    return value


def respond(said: str, looked: Looked, tools: list[dict[str, Any]]) -> ShownView:
    """Carry out the call of a turn. What stands in its thought is not told apart from what it
    says, as it was in training."""
    start, end = SETTINGS["call"]
    block, closed, _ = said.rpartition(start)[2].partition(end)
    if said.count(start) != 1 or not closed:
        raise Refused(f"Write exactly one {start}...{end}.")
    try:
        call = json.loads(block, parse_float=finite, parse_constant=finite)
    except ValueError as error:
        raise Refused("The call is not valid JSON.") from error
    if not isinstance(call, dict) or set(call) != {"name", "arguments"}:
        raise Refused("The call needs a name and arguments, and nothing else.")
    tool = next((tool for tool in tools if tool["name"] == call["name"]), None)
    if tool is None:
        names = ", ".join(tool["name"] for tool in tools)
        raise Refused(f"There is no such tool. Tools: {names}.")
    return TOOLS[tool["name"]](looked, tool, call["arguments"])


def ask(model: Any, processor: Any, image: Image.Image, question: str) -> list[list[int]]:
    """The ids of each turn: more than one where the model calls a tool."""
    original = upright(image)
    full = within_limits(original)
    first = half(full) if SETTINGS["first_look"] == "half" else full
    looked = Looked(original, full, [seen(processor, ShownView(first))])
    tools = offered(processor, full, first)
    inputs = opening(processor, looked, question, tools)
    turns: list[list[int]] = []
    while True:
        ids = generate(model, inputs)
        turns.append(ids[0, inputs["input_ids"].shape[1] :].tolist())
        if not tools or len(turns) == SETTINGS["max_turns"]:
            return turns
        if not calls(model, processor, turns[-1]):
            return turns
        try:
            view = respond(processor.decode(turns[-1]), looked, tools)
            looked.views.append(seen(processor, view))
            more = encode(processor, SETTINGS["tool_response"], [view.image])
        except Refused as refused:
            more = encode(processor, SETTINGS["refusal"].replace("{reason}", str(refused)), [])
        inputs = continued(processor, ids, inputs, more, [one.image for one in looked.views])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Ask this model about an image.")
    parser.add_argument("image", help="a picture's file")
    parser.add_argument("question")
    asked = parser.parse_args()  # before anything is loaded
    photo = Image.open(asked.image)
    model, processor = load()
    for turn in ask(model, processor, photo, asked.question):
        print(processor.decode(turn, skip_special_tokens=True))
