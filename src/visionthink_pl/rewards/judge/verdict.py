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

SHIPPED = Path(__file__).parent / "prompts"
CASE_SLOT = "{case}"
TAG = re.compile(r"<(?![\s\d=])|\[(?=/?INST\])")  # where a tag or a control token would begin
GRADES = re.compile(r"\b(?:scores?|grades?)\b", re.IGNORECASE)
VERDICT = re.compile(r"(?:.*(?:\n|[.!?]\s))?\s*Score: ([01])\s*", re.DOTALL)
AGAIN = 'That holds no grade that can be read. End with "Score: 1" or "Score: 0" and nothing else.'


class JudgePrompt:
    """The messages that put a case before a judge.

    The case stands in the prompt as one JSON object whose strings are escaped: nothing within an
    answer can close it, and no tag or control token in it is one to a chat template.

    Args:
        prompt: name of a prompt that ships, or a text file, with the slot ``{case}``.
        max_characters: a longer question, truth or answer is cut there, and says so; at least 1.
        key: what the setting is called, for errors.

    Raises:
        ConfigError: no such prompt, or one without the slot.
    """

    def __init__(self, prompt: str, max_characters: int, key: str) -> None:
        self._text = read_prompt(prompt, f"{key}.prompt", SHIPPED)
        self._most = max_characters
        if CASE_SLOT not in self._text:
            raise ConfigError(f"{key}.prompt: {prompt!r} has no slot {CASE_SLOT}")
        self.version = hashlib.sha256(f"{max_characters} {self._text}".encode()).hexdigest()

    def messages(self, case: Case) -> list[Message]:
        """The first request for a verdict."""
        truths = [self._cut(truth) for truth in case.truths]
        shown = {
            "question": self._cut(case.question),
            "reference_answer": truths if case.other_truths else truths[0],
            "candidate_answer": self._cut(case.answer),
        }
        written = json.dumps(shown, ensure_ascii=False)
        quoted = TAG.sub(lambda tag: f"\\u{ord(tag[0]):04x}", written)
        return [{"role": "user", "content": self._text.replace(CASE_SLOT, quoted)}]

    def again(self, messages: list[Message], reply: str) -> list[Message]:
        """The second and last request, after a reply without a verdict."""
        said = {"role": "assistant", "content": reply}
        return [*messages, said, {"role": "user", "content": AGAIN}]

    def _cut(self, text: str) -> str:
        return text if len(text) <= self._most else text[: self._most] + " [cut here: too long]"


def parse_verdict(reply: str) -> int | None:
    """The grade at the end of a reply: ``Score: 0`` or ``Score: 1``, a sentence or line of its own.

    ``None`` for anything else: a reply that is empty, cut off, hedged (``Score: 0.5``, ``Score: 1
    or 0``, ``Maybe Score: 1``), or that speaks of a score or grade twice.
    """
    if len(GRADES.findall(reply)) != 1:
        return None
    verdict = VERDICT.fullmatch(reply)
    return None if verdict is None else int(verdict[1])
