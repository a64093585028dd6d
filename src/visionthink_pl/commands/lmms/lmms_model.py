"""A policy as a model of lmms-eval: both turns are one answer.

Imported by lmms-eval alone, which must be installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms

from visionthink_pl.commands.answering.answerer import Answerer
from visionthink_pl.commands.answering.model_options import ModelOptions
from visionthink_pl.images import decode
from visionthink_pl.types import ConfigError, Group, VQASample

BATCH = 16


class VisionThinkChat(lmms):
    """Answers under the run's own prompts and limits.

    The task's ``max_new_tokens`` is not heeded: tasks ask for 16 or 32, which end within a
    thought. Nor is ``until``, since the answer is what stands between its tags.

    Args:
        pretrained: as ``model.ckpt`` of ``ModelOptions``.
        config: the run's config, as of ``ModelOptions``.
        base: of an adapter, as ``model.pretrained`` of ``ModelOptions``.
        precision: ``fp32`` or ``bf16``, as of ``ModelOptions``.
        device: ``cpu`` or ``cuda``; by default the GPU where there is one.
        batch_size: questions answered together.
        seed: of sampling, where a task samples.
        max_batch_size: is lmms-eval's, and not used.

    Raises:
        ConfigError: the model can't be found, or several processes were started.
    """

    is_simple = False

    def __init__(
        self,
        pretrained: str = "embedded",
        config: str | None = None,
        base: str | None = None,
        precision: Any = None,
        device: str | None = None,
        batch_size: int | str = BATCH,
        seed: int = 0,
        max_batch_size: int | None = None,
    ) -> None:
        super().__init__()
        if int(os.environ.get("WORLD_SIZE", 1)) > 1:
            raise ConfigError("lmms-eval: one process; each would answer all questions")
        kind: Any = "auto" if device is None else device.partition(":")[0]
        model = ModelOptions(pretrained, config, base, precision, kind)
        self._rows = BATCH if batch_size == "auto" else int(batch_size)
        self._run = model.find()
        self._answerer = Answerer(model, self._run, temperature=1.0, rows=self._rows, seed=seed)

    def generate_until(self, requests: Sequence[Instance]) -> list[GenerationResult]:
        """The answer to each request, without its tags; empty where there was none."""
        groups: dict[int, Group] = {}
        by_temperature: dict[float, list[int]] = {}
        for index, request in enumerate(requests):
            by_temperature.setdefault(_temperature(request.args[2]), []).append(index)
        for temperature, indices in by_temperature.items():
            for start in range(0, len(indices), self._rows):
                batch = indices[start : start + self._rows]
                samples = [self._sample(requests[index], index) for index in batch]
                found = self._answerer(samples, self._run.options, temperature=temperature)
                groups |= dict(zip(batch, found, strict=True))
        results = [_result(groups[index]) for index in range(len(requests))]
        for request, result in zip(requests, results, strict=True):
            self.cache_hook.add_partial("generate_until", request.args[:3:2], result.text)
        _report(list(groups.values()))
        return results

    def _sample(self, request: Instance, index: int) -> VQASample:
        _, to_messages, _, document, task, split = request.args
        name = f"{task}/{split}/{document}/{index}"
        question, images = _content(to_messages(self.task_dict[task][split][document]), name)
        return VQASample(name, question, "", tuple(map(decode, images)), str(task))

    def loglikelihood(self, requests: Sequence[Instance]) -> NoReturn:
        raise NotImplementedError("visionthink_pl answers questions; choose a generate_until task")

    def generate_until_multi_round(self, requests: Sequence[Instance]) -> NoReturn:
        raise NotImplementedError("visionthink_pl takes one question at a time, not several rounds")


def _temperature(options: Mapping[str, Any]) -> float:
    """0 where the task is greedy."""
    return float(options.get("temperature") or 0) if options.get("do_sample", True) else 0.0


def _content(messages: Sequence[Mapping[str, Any]], name: str) -> tuple[str, list[Any]]:
    """The question and its images.

    Raises:
        ConfigError: there is more than one message, no image, or something else.
    """
    roles = [message["role"] for message in messages]
    parts = messages[0]["content"] if roles == ["user"] else []
    if roles != ["user"]:
        raise ConfigError(f"{name}: one message of the user, without examples, not {roles}")
    kinds = {part["type"] for part in parts}
    images = [part["url"] for part in parts if part["type"] == "image"]
    if not images or kinds - {"image", "text"}:
        raise ConfigError(f"{name}: text and at least one image, not {', '.join(sorted(kinds))}")
    return "\n".join(part["text"] for part in parts if part["type"] == "text"), images


def _result(group: Group) -> GenerationResult:
    (trajectory,) = group.trajectories
    own = trajectory.response_tokens
    counts = TokenCounts(input_tokens=len(trajectory.ids) - own, output_tokens=own)
    return GenerationResult(text=trajectory.answer or "", token_counts=counts)


def _report(groups: Sequence[Group]) -> None:
    """Say what lmms-eval has no column for."""
    trajectories = [group.trajectories[0] for group in groups]
    shown = sum(trajectory.visual_tokens for trajectory in trajectories)
    full = sum(group.full_look_tokens for group in groups)
    twice = sum(trajectory.high for trajectory in trajectories)
    cut = sum(trajectory.truncated for trajectory in trajectories)
    print(
        f"visionthink_pl: {len(groups)} questions; visual tokens {shown} of {full} of one full "
        f"look; looked twice {twice}; without an answer {cut}",
        file=sys.stderr,
    )
