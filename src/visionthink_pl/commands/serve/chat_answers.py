"""Answers requests with a policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from visionthink_pl.commands.answering.answerer import Answerer
from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.commands.serve.chat_request import ChatRequest
from visionthink_pl.commands.serve.refusal import RequestRefused
from visionthink_pl.images import ImageDecodeError, decode
from visionthink_pl.types import Group, VQASample

KIND = "asked"


class ChatAnswers:
    """Answers requests of one temperature and length together.

    Args:
        answerer: with the policy.
        run: that it comes from.
    """

    def __init__(self, answerer: Answerer, run: Run) -> None:
        self._answerer, self._run = answerer, run

    def __call__(self, requests: Sequence[ChatRequest]) -> list[Group | RequestRefused]:
        """A group of one trajectory for each, or why there is none."""
        opened = [self._sample(request) for request in requests]
        samples = [sample for sample in opened if isinstance(sample, VQASample)]
        first = requests[0]
        options = replace(self._run.options, max_new_tokens=first.max_new_tokens)
        groups: Iterator[Group] = iter(
            self._answerer(samples, options, temperature=first.temperature) if samples else ()
        )
        return [one if isinstance(one, RequestRefused) else next(groups) for one in opened]

    def _sample(self, request: ChatRequest) -> VQASample | RequestRefused:
        try:
            images = tuple(decode(image) for image in request.images)
        except ImageDecodeError as error:
            return RequestRefused(f"an image of the request: {error}", "messages")
        sample = VQASample(request.key, request.question, "", images, KIND)
        conversation = self._run.conversation
        reason = conversation.budget.too_long(conversation.open(sample).length)
        if reason is None:
            return sample
        return RequestRefused(f"messages: {reason}", "messages", code="context_length_exceeded")
