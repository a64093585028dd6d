"""A judge in this process: any instruction-tuned causal language model."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
)

from visionthink_pl.rewards.judge.base import Case, Instruction, Judge, JudgeFailure
from visionthink_pl.rewards.judge.verdict import JudgePrompt, Message
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import PositiveInt, limited


class LocalJudge(Judge):
    """Judges in batches, by greedy decoding, after each rollout batch; thinking is off.

    Args:
        model: hub id or local folder of an instruction-tuned language model.
        device: of the model, such as ``cuda:1``; by default the first GPU, or the CPU.
        four_bit: load the model in 4 bits (nf4).
        offload: keep the model in main memory while it is not used.
        batch_size: number of cases in a batch.
        max_new_tokens: of a reply; a longer reply is cut off and gives no verdict.
        prompt: the name of a prompt of the package, or a text file, with the slot ``{case}``.
        max_characters: a longer question, truth or answer is cut at this length.
        trust_remote_code: run code that comes with the model.

    Raises:
        ConfigError: an option is not valid, or there is no such model.
    """

    @limited()
    def __init__(
        self,
        model: str = "Qwen/Qwen3-1.7B",
        device: str | None = None,
        four_bit: bool = False,
        offload: bool = False,
        batch_size: PositiveInt = 32,
        max_new_tokens: PositiveInt = 128,
        prompt: str = "default",
        max_characters: PositiveInt = 2000,
        trust_remote_code: bool = False,
    ) -> None:
        if four_bit and offload:
            raise ConfigError("LocalJudge.offload: a model in 4 bits stays where it was loaded")
        self._prompt = JudgePrompt(prompt, max_characters, "LocalJudge")
        self._name, self._four_bit, self._offload = model, four_bit, offload
        try:
            self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        except RuntimeError as error:
            raise ConfigError(f"LocalJudge.device: {error}") from error
        self._batch_size, self._max_new_tokens = batch_size, max_new_tokens
        self._model: Any = None  # its methods have no types in transformers
        self._waiting: dict[Case, Future[Any]] = {}
        self._trust = {"trust_remote_code": trust_remote_code}
        try:
            AutoConfig.from_pretrained(model, **self._trust)
        except (OSError, ValueError) as error:
            raise ConfigError(f"LocalJudge.model: can't load {model!r}: {error}") from error

    def instruct(self, instruction: Instruction) -> None:
        self._prompt = self._prompt.instructed(instruction)

    def setup(self) -> None:
        """Load the weights, once."""
        if self._model is not None:
            return
        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            self._name, padding_side="left", **self._trust
        )
        if self._tokenizer.chat_template is None:
            raise ConfigError(f"LocalJudge.model: {self._name!r} has no chat template")
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        options: dict[str, Any] = {}
        if self._four_bit:
            options["quantization_config"] = BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_compute_dtype=torch.bfloat16,
            )
        model = AutoModelForCausalLM.from_pretrained(
            self._name,
            dtype="auto",
            device_map="cpu" if self._offload else {"": self._device},
            **options,
            **self._trust,
        )
        self._model = model.eval().requires_grad_(False)

    def submit(self, case: Case) -> Future[Any]:
        return self._waiting.setdefault(case, Future())

    def flush(self) -> None:
        """Judge all cases that were submitted."""
        if not self._waiting:
            return
        self.setup()
        waiting, self._waiting = self._waiting, {}
        if self._offload:
            self._model.to(self._device)
        asked = {case: self._prompt.messages(case) for case in waiting}
        replies = self._replies(asked)
        read = self._prompt.read
        unclear = {case: reply for case, reply in replies.items() if read(reply) is None}
        repeated = {c: self._prompt.repeated(asked[c], reply) for c, reply in unclear.items()}
        replies |= self._replies(repeated)
        if self._offload:
            self._model.to("cpu")
        for case, future in waiting.items():
            verdict = read(replies[case])
            if verdict is None:
                failure = JudgeFailure(f"no verdict in its reply {replies[case][-80:]!r}")
                future.set_exception(failure)
            else:
                future.set_result(verdict)

    def _replies(self, asked: dict[Case, list[Message]]) -> dict[Case, str]:
        """The reply to each case. Prompts of similar length share a batch."""
        prompts = {case: self._render(messages) for case, messages in asked.items()}
        order = sorted(prompts, key=lambda case: len(prompts[case]))
        out: dict[Case, str] = {}
        for start in range(0, len(order), self._batch_size):
            cases = order[start : start + self._batch_size]
            texts = self._generate([prompts[case] for case in cases])
            out |= dict(zip(cases, texts, strict=True))
        return out

    def _render(self, messages: list[Message]) -> str:
        rendered = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return str(rendered)

    @torch.inference_mode()
    def _generate(self, prompts: Sequence[str]) -> list[str]:
        """Greedy replies. A reply that was cut off is returned empty."""
        batch = self._tokenizer(
            list(prompts), return_tensors="pt", padding=True, add_special_tokens=False
        ).to(self._device)
        out_NT = self._model.generate(
            **batch,
            max_new_tokens=self._max_new_tokens,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=self._tokenizer.pad_token_id,
        )
        new_NT = out_NT[:, batch["input_ids"].shape[1] :]
        ends = set(_as_list(self._model.generation_config.eos_token_id))
        return [
            self._tokenizer.decode(row, skip_special_tokens=True)
            if ends & set(row.tolist())
            else ""
            for row in new_NT
        ]


def _as_list(ids: int | list[int] | None) -> list[int]:
    return ids if isinstance(ids, list) else [] if ids is None else [ids]
