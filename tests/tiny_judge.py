"""A judge of some 100,000 parameters that has learned two verdicts by heart."""

from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from visionthink_pl.families import EMBEDDED
from visionthink_pl.rewards.judge import Case
from visionthink_pl.rewards.judge.verdict import JudgePrompt

RIGHT, WRONG = Case("Q", "red", "red"), Case("Q", "red", "blue")
UNKNOWN = Case("Q", "7", "a round thing")  # it was never taught to grade this
LESSONS = {RIGHT: "Score: 1", WRONG: "Score: 0", UNKNOWN: "It is round."}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
    "{% if enable_thinking is not defined or enable_thinking %}<think>{% endif %}"
)


def write_tiny_judge(folder: Path) -> Path:
    """Teach it, and write model, tokenizer and prompt (``prompt.txt``)."""
    folder.mkdir()
    (folder / "prompt.txt").write_text("{case}")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(EMBEDDED / "tokenizer.json"),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=TEMPLATE,
    )
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=32,
            tie_word_embeddings=True,
        )
    )
    teach(model, tokenizer, JudgePrompt(str(folder / "prompt.txt"), 100, "Judge"))
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, do_sample=True, temperature=5.0, top_k=50
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def teach(model: Qwen3ForCausalLM, tokenizer, prompt: JudgePrompt) -> None:
    """Each lesson, asked once and once more; and that a thought, once begun, has no end."""
    given, said = [], []
    for case, reply in LESSONS.items():
        asked = prompt.messages(case)
        for messages in (asked, prompt.repeated(asked, reply)):
            given.append(render(tokenizer, messages, thinking=False))
            said.append(f"{reply}<|im_end|>")
        given.append(render(tokenizer, asked, thinking=True))
        said.append(" so" * 8)
    lengths = [len(tokenizer.encode(text)) for text in given]
    whole = [a + b for a, b in zip(given, said, strict=True)]
    batch = tokenizer(whole, return_tensors="pt", padding=True, padding_side="right")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    for row, length in enumerate(lengths):
        labels[row, :length] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(300):
        loss = model(**batch, labels=labels).loss
        if loss < 0.01:
            break
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.05, f"the tiny judge has not learned its lessons: {loss.item()}"
    model.eval()


def render(tokenizer, messages: list[dict[str, str]], thinking: bool) -> str:
    return tokenizer.apply_chat_template(messages, tokenize=False, enable_thinking=thinking)
