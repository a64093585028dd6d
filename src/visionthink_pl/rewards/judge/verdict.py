"""A judge's prompt, and the parsing of its reply."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from visionthink_pl.rewards.judge.base import Case, Instruction
from visionthink_pl.rollout.prompt_files import read_prompt
from visionthink_pl.types import ConfigError

Message = dict[str, str]

PROMPTS = Path(__file__).parent / "prompts"
CASE_SLOT = "{case}"
TAG = re.compile(r"<(?![\s\d=])|\[(?=/?INST\])")  # the beginning of a tag or control token
SURROGATE = re.compile(r"[\ud800-\udfff]")  # can't be encoded
GRADES = re.compile(r"\b(?:scores?|grades?)\b", re.IGNORECASE)
VERDICT_END = re.compile(r"[01]")
GRADE_END = re.compile(r"0(?:\.[0-9])?|1(?:\.0)?")
SENTENCE_END = (".", "!", "?")
ANSWER_START, NO_ANSWER = "Answer: ", "none"


def parse_verdict(reply: str) -> int | None:
    """The verdict at the end of a reply: ``Score: 0`` or ``Score: 1``, as a sentence or line.

    ``None`` for any other reply: one that is empty, cut off, not definite (``Score: 0.5``,
    ``Score: 1 or 0``, ``Maybe Score: 1``), or that mentions a score or grade twice.
    """
    verdict = _graded(reply, VERDICT_END)
    return None if verdict is None else int(verdict)


def parse_grade(reply: str) -> float | None:
    """The grade at the end of a reply, in tenths: ``Score: 0.7``; ``None`` as ``parse_verdict``."""
    grade = _graded(reply, GRADE_END)
    return None if grade is None else float(grade)


def _graded(reply: str, form: re.Pattern[str]) -> str | None:
    """What stands behind the only ``Score:``, at the end of a reply. Before it the reply begins, or
    a line or sentence has ended. (One pattern for all of it would take a time that grows with the
    square of the white space.)"""
    if len(GRADES.findall(reply)) != 1:
        return None
    reasons, said, grade = reply.rstrip().rpartition("Score: ")
    bare = reasons.rstrip()
    blanks = reasons[len(bare) :]
    begins = not bare or "\n" in blanks or (blanks and bare.endswith(SENTENCE_END))
    return grade if said and begins and form.fullmatch(grade) else None


def parse_extraction(reply: str) -> str | None:
    """The text behind ``Answer:`` on the last line, empty for ``none``; ``None`` without a line."""
    line = reply.rstrip().rpartition("\n")[2].lstrip(" \t")
    if not line.startswith(ANSWER_START):
        return None
    answer = line.removeprefix(ANSWER_START).strip()
    return "" if answer.lower().rstrip(".") == NO_ANSWER else answer


def is_verdict(value: Any) -> bool:
    """Whether a value may come from ``parse_verdict``."""
    return type(value) is int and value in (0, 1)


def is_grade(value: Any) -> bool:
    """Whether a value may come from ``parse_grade``; SQLite gives 1.0 back as 1."""
    return type(value) in (int, float) and value in [tenths / 10 for tenths in range(11)]


def is_extraction(value: Any) -> bool:
    """Whether a value may come from ``parse_extraction``."""
    return isinstance(value, str)


NO_GRADE = "That holds no grade that can be read. "
VERDICT = Instruction(
    "default",
    parse_verdict,
    is_verdict,
    NO_GRADE + 'End with "Score: 1" or "Score: 0" and nothing else.',
)
SAME_RESULT = replace(VERDICT, prompt="mathverse")
GRADE = Instruction(
    "mmvet",
    parse_grade,
    is_grade,
    NO_GRADE + 'End with "Score: " and a number such as 0.3 and nothing else.',
)
EXTRACTION = Instruction(
    "mathvista",
    parse_extraction,
    is_extraction,
    'That holds no answer that can be read. End with a line "Answer: " and the answer.',
)


class JudgePrompt:
    """The messages that ask a judge about a case.

    The case is one JSON object in the prompt, and its strings are escaped: no text in an answer can
    end the object, and a chat template recognises no tag or control token in it.

    Args:
        prompt: name of a prompt of the package, or a text file, with the slot ``{case}``.
        max_characters: a longer question, truth or answer is cut at this length and marked as cut;
            at least 1.
        key: name of the class, for errors.
        instruction: what is asked for; its own prompt takes the place of ``default``.

    Raises:
        ConfigError: there is no such prompt, or it has no slot.
    """

    def __init__(
        self, prompt: str, max_characters: int, key: str, instruction: Instruction = VERDICT
    ) -> None:
        name = instruction.prompt if prompt == VERDICT.prompt else prompt
        self._text = read_prompt(name, f"{key}.prompt", PROMPTS)
        self._given, self._key, self._instruction = prompt, key, instruction
        self._max_characters = max_characters
        if CASE_SLOT not in self._text:
            raise ConfigError(f"{key}.prompt: {prompt!r} has no slot {CASE_SLOT}")
        told = f"{max_characters} {self._text}"
        if instruction is not VERDICT:  # the same text may be read in another way
            told = f"{instruction.prompt} {told}"
        self.version = hashlib.sha256(told.encode()).hexdigest()

    def instructed(self, instruction: Instruction) -> JudgePrompt:
        """The same for something else that is asked for."""
        return JudgePrompt(self._given, self._max_characters, self._key, instruction)

    def allows(self, value: Any) -> bool:
        """Whether a value is one that a reply may say."""
        return self._instruction.allows(value)

    def read(self, reply: str) -> Any:
        """What a reply says; ``None`` where that can't be read."""
        return self._instruction.read(reply)

    def messages(self, case: Case) -> list[Message]:
        """The first request."""
        truths = [self._cut(truth) for truth in case.truths]
        content: dict[str, Any] = {"question": self._cut(case.question)}
        if any(truths):
            content["reference_answer"] = truths if case.other_truths else truths[0]
        content["candidate_answer"] = self._cut(case.answer)
        written = json.dumps(content, ensure_ascii=False)
        written = SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", written)  # as JSON may
        escaped = TAG.sub(lambda tag: f"\\u{ord(tag[0]):04x}", written)
        return [{"role": "user", "content": self._text.replace(CASE_SLOT, escaped)}]

    def repeated(self, messages: list[Message], reply: str) -> list[Message]:
        """The second and last request, after a reply that can't be read."""
        first = {"role": "assistant", "content": reply}
        return [*messages, first, {"role": "user", "content": self._instruction.repeat}]

    def _cut(self, text: str) -> str:
        most = self._max_characters
        return text if len(text) <= most else text[:most] + " [cut here: too long]"
