"""Rebuild the embedded model from nothing: tokenizer, template, processor, trained weights.

python tools/build_tiny_vlm.py --out src/visionthink_pl/assets/tiny_vlm
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from tiny_vlm.files import build_untrained
from tiny_vlm.vision import pretrain_vision
from tiny_vlm.warm_up import warm_up
from visionthink_pl.families import Qwen2_5VL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vision-steps", type=int, default=900, help="batches of 32 images")
    parser.add_argument("--warm-up-steps", type=int, default=1800, help="batches of 48 samples")
    args = parser.parse_args()
    start = time.monotonic()
    torch.manual_seed(args.seed)
    model = build_untrained(args.out)
    family = Qwen2_5VL.from_pretrained(args.out)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    read = pretrain_vision(family, model, args.vision_steps, args.seed)
    print(f"stage 1: {read:.3f} of glyphs read, {time.monotonic() - start:.0f} s", flush=True)
    model.save_pretrained(args.out)
    warm_up(family, model, args.warm_up_steps, args.seed)
    model.save_pretrained(args.out)
    print(f"stage 2 done, {time.monotonic() - start:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
