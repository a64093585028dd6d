"""The parts of ``tools/build_tiny_vlm.py``: tokenizer, vision pre-training, warm-up."""
