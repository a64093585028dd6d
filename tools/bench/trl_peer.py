"""TRL's GRPOTrainer with transformers generation on the same model, prompts and lengths.

Needs ``pip install trl``. It shows no image within a rollout for this family, so it has one turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from datasets import Dataset
from datasets import Image as ImageColumn
from peft import LoraConfig
from transformers import AutoModelForImageTextToText, AutoProcessor, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from bench.work import Work, messages
from visionthink_pl.families import Qwen2_5VL


class Commands(TrainerCallback):
    """Lets each step of the trainer run under the next command."""

    def __init__(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        self._begin, self._end = begin, end

    def on_step_begin(self, *args, **kwargs) -> None:
        self._begin()

    def on_step_end(self, *args, **kwargs) -> None:
        self._end()


def rewards(completions, **kwargs) -> Iterator[float]:
    """Alternate, so that every group has signal."""
    return [float(index % 2) for index in range(len(completions))]


def trainer(
    work: Work, folder: Path, begin: Callable[[], None], end: Callable[[], None]
) -> GRPOTrainer:
    """A trainer that endlessly takes the same step: LoRA, one micro-batch."""
    processor = AutoProcessor.from_pretrained(folder)
    end_id = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    vocab = AutoModelForImageTextToText.from_pretrained
    model = vocab(folder, dtype=getattr(torch, work.dtype), attn_implementation="sdpa")
    never = [*range(len(processor.tokenizer), model.config.text_config.vocab_size), end_id]
    never += [model.config.image_token_id, processor.tokenizer.pad_token_id]
    chat = messages(work, processor)
    rows = [{"prompt": chat, "image": work.image(i, looks=1)} for i in range(work.prompts)]
    for row in rows:
        row["prompt"] = [{"role": "user", "content": chat[0]["content"][1]["text"]}]
    dataset = Dataset.from_list(rows).cast_column("image", ImageColumn())
    batch = work.prompts * work.group_size
    config = GRPOConfig(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=batch,
        num_generations=work.group_size,
        max_completion_length=work.new_tokens,
        generation_kwargs={"suppress_tokens": never},
        temperature=1.0,
        beta=work.kl,
        learning_rate=1e-5,
        max_steps=10_000,
        gradient_checkpointing=False,
        use_cpu=work.device == "cpu",
        bf16=work.dtype == "bfloat16",
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    return GRPOTrainer(
        model=model,
        reward_funcs=rewards,
        args=config,
        train_dataset=dataset,
        processing_class=processor,
        peft_config=LoraConfig(
            r=16, lora_alpha=32, target_modules=Qwen2_5VL.lora_targets, task_type="CAUSAL_LM"
        ),
        callbacks=[Commands(begin, end)],
    )
