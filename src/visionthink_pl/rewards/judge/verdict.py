"""A judge's prompt, and the parsing of its verdict."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from visionthink_pl.rewards.judge.base import Case
from visionthink_pl.rollout.prompt_files import read_prompt
from visionthink_pl.types import ConfigError

Message = dict[str, str]

PROMPTS = Path(__file__).parent / "prompts"
CASE_SLOT = "{case}"
TAG = re.compile(r"<(?![\s\d=])|\[(?=/?INST\])")  # the beginning of a tag or control token
GRADES = re.compile(r"\b(?:scores?|grades?)\b", re.IGNORECASE)
VERDICT = re.compile(r"(?:.*(?:\n|[.!?]\s))?\s*Score: ([01])\s*", re.DOTALL)
REPEAT = 'That holds no grade that can be read. End with "Score: 1" or "Score: 0" and nothing else.'


class JudgePrompt:
    """The messages that ask a judge about a case.

    The case is one JSON object in the prompt, and its strings are escaped: no text in an answer can
    end the object, and a chat template recognises no tag or control token in it.

    Args:
        prompt: name of a prompt of the package, or a text file, with the slot ``{case}``.
        max_characters: a longer question, truth or answer is cut at this length and marked as cut;
            at least 1.
        key: name of the class, for errors.

    Raises:
        ConfigError: there is no such prompt, or it has no slot.
    """

    def __init__(self, prompt: str, max_characters: int, key: str) -> None:
        self._text = read_prompt(prompt, f"{key}.prompt", PROMPTS)
        self._max_characters = max_characters
        if CASE_SLOT not in self._text:
            raise ConfigError(f"{key}.prompt: {prompt!r} has no slot {CASE_SLOT}")
        self.version = hashlib.sha256(f"{max_characters} {self._text}".encode()).hexdigest()

    def messages(self, case: Case) -> list[Message]:
        """The first request for a verdict."""
        truths = [self._cut(truth) for truth in case.truths]
        content = {
            "question": self._cut(case.question),
            "reference_answer": truths if case.other_truths else truths[0],
            "candidate_answer": self._cut(case.answer),
        }
        written = json.dumps(content, ensure_ascii=False)
        escaped = TAG.sub(lambda tag: f"\\u{ord(tag[0]):04x}", written)
        return [{"role": "user", "content": self._text.replace(CASE_SLOT, escaped)}]

    def repeated(self, messages: list[Message], reply: str) -> list[Message]:
        """The second and last request, after a reply without a verdict."""
        first = {"role": "assistant", "content": reply}
        return [*messages, first, {"role": "user", "content": REPEAT}]

    def _cut(self, text: str) -> str:
        most = self._max_characters
        return text if len(text) <= most else text[:most] + " [cut here: too long]"


def parse_verdict(reply: str) -> int | None:
    """The verdict at the end of a reply: ``Score: 0`` or ``Score: 1``, as a sentence or line.

    ``None`` for any other reply: one that is empty, cut off, not definite (``Score: 0.5``,
    ``Score: 1 or 0``, ``Maybe Score: 1``), or that mentions a score or grade twice.
    """
    if len(GRADES.findall(reply)) != 1:
        return None
    verdict = VERDICT.fullmatch(reply)
    return None if verdict is None else int(verdict[1])
