"""The verb ``plan``: memory and FLOPs of a training step, without loading weights."""
