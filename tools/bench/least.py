"""The FLOPs that a step can't do without, counted by hand.

Each image goes through the tower once. Each token is read once in the rollout and once in the
training pass: a prompt once for its group, what follows once for each row. Attention looks at what
is before a token and no further. Backward, frozen weights need no gradients of their own: as much
again as forward for the linear layers, twice as much for attention. LoRA's own products, norms and
the rest of what is small are left out.
"""

from __future__ import annotations

from bench.work import SIZES, Work

PATCHES = 4  # patches a visual token
PATCH_VALUES = 3 * 2 * 14 * 14  # channels, frames, height, width


def least_flops(work: Work) -> float:
    """Of one step, without a KL."""
    text, _ = SIZES[work.size]
    width, kv_width = text["hidden_size"], text["hidden_size"] // text["num_attention_heads"]
    kv_width *= text["num_key_value_heads"]
    layer = 2 * width * (width + kv_width) + 3 * width * text["intermediate_size"]
    tokens, pairs = _tokens_and_pairs(work)
    linear = 2 * layer * text["num_hidden_layers"] * tokens
    attention = 4 * width * text["num_hidden_layers"] * pairs
    head = 2 * text["vocab_size"] * width * _generated(work)
    rollout, training = linear + attention + head, 2 * linear + 3 * attention + 2 * head
    return _tower(work) + work.prompts * (rollout + training)


def _generated(work: Work) -> int:
    """Ids that a group generates."""
    return (work.group_size + work.asking * work.looks) * work.new_tokens


def _tokens_and_pairs(work: Work) -> tuple[float, float]:
    """Of one group: tokens that are read, and pairs of a token with one that it looks at."""
    prompt, new = work.prompt_tokens + work.image_tokens, work.new_tokens
    more = work.look_tokens + new  # what an asking row reads and says after each call
    tokens = prompt + work.group_size * new + work.asking * work.looks * more
    pairs = prompt * prompt / 2 + work.group_size * new * (prompt + new / 2)
    for look in range(work.looks):
        pairs += work.asking * more * (prompt + new + look * more + more / 2)
    return tokens, pairs


def _tower(work: Work) -> float:
    """Of the looks that are taken, without the tower's attention."""
    text, tower = SIZES[work.size]
    width, depth = int(tower["hidden_size"]), int(tower["depth"])
    layer = 4 * width * width + 3 * width * int(tower["intermediate_size"])
    merged = PATCHES * width
    merger = merged * (merged + text["hidden_size"]) / PATCHES
    tokens = work.image_tokens * (1 + 4 * bool(work.asking))
    weights = PATCH_VALUES * width + depth * layer + merger
    return 2 * weights * work.prompts * tokens * PATCHES
