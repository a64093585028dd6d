"""Rebuild the embedded model from nothing: tokenizer, template, processor, trained weights.

python tools/build_tiny_vlm.py --out src/visionthink_pl/families/tiny_vlm
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from tiny_vlm.files import build_untrained
from tiny_vlm.vision import pretrain_vision
from tiny_vlm.warm_up import Phase, warm_up
from visionthink_pl.data.lookcloser import DEFAULT_MIX
from visionthink_pl.families import Qwen2_5VL

READ = {"colour": 1, "shape": 1, "count": 1, "digit": 3, "letter": 3, "print": 4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model to")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.monotonic()
    torch.manual_seed(args.seed)
    model = build_untrained(args.out)
    family = Qwen2_5VL.from_pretrained(args.out)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    read = pretrain_vision(family, model, steps=1000, seed=args.seed)
    print(f"stage 1: {read:.3f} of glyphs read, {time.monotonic() - start:.0f} s", flush=True)
    warm_up(family, model, Phase(1600, 0.6, READ, lr=1.5e-3, seed=args.seed))
    print(f"stage 2: it reads, {time.monotonic() - start:.0f} s", flush=True)
    warm_up(family, model, Phase(800, 0.0, DEFAULT_MIX, lr=8e-4, seed=args.seed + 1))
    print(f"stage 3: it is sure of it, {time.monotonic() - start:.0f} s", flush=True)
    model.save_pretrained(args.out)


if __name__ == "__main__":
    main()
