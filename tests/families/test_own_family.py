"""A family that is not Qwen's, in a file as a user writes it, against transformers' own processor.

That it is sampled from, trained and exported as the others are, is tested where theirs is: by the
fixture ``checkpoint``.
"""

from pathlib import Path

import pytest
import torch
from PIL import Image

from families_helpers import family_of, make_checkpoint
from visionthink_pl.families import Family
from visionthink_pl.images import Size

SIZES = [(112, 112), (56, 56), (16, 16), (17, 16), (5, 9), (300, 31)]
MESSAGES = [
    {"role": "system", "content": "Answer."},
    {
        "role": "user",
        "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "Which digit?"}],
    },
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint("pixtral_llava", tmp_path_factory.mktemp("pixtral"))


@pytest.fixture(scope="module")
def family(folder: Path) -> Family:
    return family_of(folder)


def image(size: tuple[int, int]) -> Image.Image:
    return Image.effect_noise(size, 80).convert("RGB")


@pytest.mark.parametrize("size", SIZES)
def test_an_image_s_ids_are_those_of_the_processor(family: Family, size: tuple[int, int]) -> None:
    images = [image(size), image((40, 70))]
    text = family.render(MESSAGES, generation_prompt=True)
    expected = family.processor(text=[text], images=images, add_special_tokens=False)
    assert family.encode(text, images) == expected["input_ids"][0].tolist()
    assert family.encode(text, [Size(*one.size) for one in images]) == family.encode(text, images)


def test_tokens_between_visual_tokens_are_no_visual_tokens(family: Family) -> None:
    """Three columns and two rows: 6 visual tokens, a token behind each row."""
    ids = family.image_ids(Size(48, 32))
    visual, row, end = map(family.token_id, ("[IMG]", "[IMG_BREAK]", "[IMG_END]"))
    assert ids == [visual, visual, visual, row, visual, visual, visual, end]
    assert family.visual_tokens(Size(48, 32)) == 6
    assert family.never_sampled(400)[ids].all()


@pytest.mark.parametrize("size", SIZES)
def test_the_tower_makes_as_many_visual_tokens_as_there_are_placeholders(
    folder: Path, family: Family, size: tuple[int, int]
) -> None:
    model = family.load_model(folder, torch.float32, "sdpa")
    found = family.image_features(model, family.pixels([image(size), image((40, 70))]))
    assert [len(levels) for levels in found] == [1, 1]
    assert found[0].shape[1] == family.visual_tokens(Size(*size))


def test_without_a_method_of_its_own_a_token_s_position_is_its_place(
    folder: Path, family: Family
) -> None:
    ids_NT = torch.tensor([[5, 6, 7], [5, 3, 3]])
    found = family.positions(family.skeleton(folder), ids_NT, (ids_NT != 3).long(), None)
    assert found.tolist() == [[[0, 1, 2], [0, 1, 2]]]


def test_what_the_tokenizer_puts_before_a_text_is_in_none_of_ours(family: Family) -> None:
    start = family.token_id("<s>")
    assert family.tokenizer.encode("Which?")[0] == start
    assert start not in family.encode("Which?", []) + family.encode_words("<s>Which?")
    assert family.encode(family.render(MESSAGES, True), [Size(9, 9)] * 2).count(start) == 1
