"""What each family says against what transformers' own processor and model do."""

from pathlib import Path
from random import Random

import pytest
import torch
from PIL import Image
from tokenizers import AddedToken

from families_helpers import SIDE
from visionthink_pl.families import Family, load_family
from visionthink_pl.types import ConfigError

SIZES = [(112, 112), (56, 56), (56, 140), (57, 113), (28, 28), (5, 9), (300, 31)]
MESSAGES = [
    {"role": "system", "content": "Answer."},
    {
        "role": "user",
        "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "Which digit?"}],
    },
]


@pytest.fixture(scope="module")
def family(qwen_checkpoint: Path) -> Family:
    return load_family(qwen_checkpoint)


def image(size: tuple[int, int]) -> Image.Image:
    return Image.effect_noise(size, 80).convert("RGB")


@pytest.mark.parametrize("size", SIZES)
def test_visual_tokens_are_those_of_the_pixels(family: Family, size: tuple[int, int]) -> None:
    thw = family.pixels([image(size)]).sizes[0]
    assert family.visual_tokens(image(size)) == thw.prod().item() // 4  # merged two by two


def test_the_processor_s_own_limits_are_lifted(family: Family) -> None:
    # they are from 1000 x 1000 to 2000 x 2000 pixels in the checkpoints
    side = SIDE[family.model_type]
    for width, height in ((1, 1), (3, 2), (100, 80)):
        shown = image((width * side, height * side))
        assert family.visual_tokens(shown) == width * height
    assert family.pixels([image((3 * side, 2 * side))]).sizes.tolist() == [[1, 4, 6]]


def test_ids_are_those_of_the_processor(family: Family) -> None:
    images = [image((112, 84)), image((56, 56))]
    text = family.render(MESSAGES, generation_prompt=True)
    expected = family.processor(text=[text], images=images)
    assert family.encode(text, images) == expected["input_ids"][0]


def test_a_placeholder_without_an_image_is_an_error(family: Family) -> None:
    text = family.render(MESSAGES, generation_prompt=True)
    with pytest.raises(ValueError, match="2 image placeholders for 1 images"):
        family.encode(text, [image((56, 56))])


@pytest.mark.parametrize(
    "text", ["Which digit is on the small tag?", "  two\n\nlines ", "Où ? 数字"]
)
def test_ordinary_words_are_tokenized_as_ever(family: Family, text: str) -> None:
    assert family.encode_words(text) == family.tokenizer.encode(text)


# Added tokens of the published tokenizers that the embedded one lacks, and whether they are
# flagged as special there.
PUBLISHED = {
    **dict.fromkeys(("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"), False),
    **dict.fromkeys(("<|repo_name|>", "<|file_sep|>"), False),
    **dict.fromkeys(("<|audio_start|>", "<|audio_pad|>"), True),
}


@pytest.fixture(scope="module")
def published(qwen_checkpoint: Path) -> Family:
    """With the added tokens that published tokenizers have, and a word that a user has added."""
    family = load_family(qwen_checkpoint)
    tokens = [AddedToken(name, special=flag, normalized=False) for name, flag in PUBLISHED.items()]
    family.tokenizer.add_tokens([*tokens, AddedToken("<place>", normalized=False)])
    return family


def added_names(family: Family) -> list[str]:
    return [token.content for token in family.tokenizer.added_tokens_decoder.values()]


def test_names_of_added_tokens_are_words(published: Family) -> None:
    """Each alone, within words, and run together; nothing is lost."""
    names, ids = added_names(published), set(published.tokenizer.added_tokens_decoder)
    assert {"<tool_call>", "</think>", "<|fim_middle|>", "<|im_end|>", "<place>"} <= set(names)
    texts = [text for name in names for text in (name, f"a{name}b", f"Is {name} 7?", f"{name}\n")]
    for text in [*texts, "".join(names), " ".join(names)]:
        found = published.encode_words(text)
        assert not ids & set(found), text
        assert published.decode(found) == text
    # and the next rendered text has its control tokens as before
    assert published.end_of_turn_id in published.encode("<|im_end|>", [])


def test_names_of_added_tokens_are_words_among_random_ones(published: Family) -> None:
    random, ids = Random(0), set(published.tokenizer.added_tokens_decoder)
    parts = [*added_names(published), *"<|>/ \n", "<|", "|>", "Où", "数字", "7", "think", "im_end"]
    for _ in range(300):
        text = "".join(random.choices(parts, k=random.randint(1, 12)))
        found = published.encode_words(text)
        assert not ids & set(found), text
        assert published.decode(found) == text


def test_what_the_tokenizer_cuts_or_fills_up_leaves_words_alone(qwen_checkpoint: Path) -> None:
    family = load_family(qwen_checkpoint)
    expected = family.tokenizer.encode("Which digit is on the small tag?")
    family = load_family(qwen_checkpoint)
    family.tokenizer("Which", truncation=True, max_length=2, padding="max_length")
    assert family.encode_words("Which digit is on the small tag?") == expected


def test_no_control_token_can_be_sampled(published: Family) -> None:
    never_V = published.never_sampled(len(published.tokenizer) + 3)
    said = [name for name in added_names(published) if not never_V[published.token_id(name)]]
    tags = ["tool_call", "tool_response", "think"]
    assert set(said) == {"<|im_end|>", "<place>"} | {f"<{s}{t}>" for t in tags for s in ("", "/")}
    assert never_V[-3:].all() and not never_V[0]
    few_V = published.never_sampled(len(never_V) - 6)  # of a model that lacks rows for some ids
    assert torch.equal(few_V, never_V[:-6])


def test_tags_of_turns_can_be_sampled_though_flagged_as_special(qwen_checkpoint: Path) -> None:
    family = load_family(qwen_checkpoint)
    names = ("<answer>", "</answer>", "<other>")
    family.tokenizer.add_tokens([AddedToken(name, special=True) for name in names])
    never_V = family.never_sampled(len(family.tokenizer))
    assert [bool(never_V[family.token_id(name)]) for name in names] == [False, False, True]


def test_a_tokenizer_without_a_token(family: Family) -> None:
    with pytest.raises(ConfigError, match="model.pretrained: its tokenizer has no token <other>"):
        family.token_id("<other>")


def test_positions_are_the_model_s_own(family: Family, qwen_checkpoint: Path) -> None:
    side = SIDE[family.model_type]
    images = [image((4 * side, 3 * side)), image((2 * side, 2 * side))]
    ids = family.encode(family.render(MESSAGES, True), images)
    ids_1T = torch.tensor([ids])
    thw = family.pixels(images).sizes
    model = family.skeleton(qwen_checkpoint)  # positions need no weights
    positions_3T = family.positions(model, ids_1T, torch.ones_like(ids_1T), thw)[:, 0]
    text_T = ids_1T[0] != family.image_token_id
    # Text goes on from the largest position so far, alike in all three axes ...
    assert (positions_3T[:, text_T] == positions_3T[0, text_T]).all()
    # ... and an image of 4 x 3 visual tokens takes 4 positions where a text would take 12.
    first = ids.index(family.image_token_id)
    time_T, height_T, width_T = positions_3T[:, first : first + 12].tolist()
    assert time_T == [first] * 12
    assert height_T == [first + row for row in range(3) for _ in range(4)]
    assert width_T == [first + column for _ in range(3) for column in range(4)]
    assert positions_3T[0, first + 12] == first + 4
