"""How the rows of a table word their questions and answers."""

from __future__ import annotations

from dataclasses import dataclass

from visionthink_pl.types import ConfigError

SLOT = "{question}"


@dataclass(frozen=True)
class Wording:
    """How rows are worded, and what is asked.

    Args:
        template: what is asked: ``{question}`` is replaced by the question and its options. Without
            a column of questions it holds no such slot, and is what is asked of each image.
        choice_template: the same for questions with options; by default ``template``.
        remove: a text that is left out of questions.
        null: a text that stands for an empty cell, such as ``nan``.
        letters: the answers of multiple choice are letters, even where a letter is an option's text
            too.
    """

    template: str = SLOT
    choice_template: str | None = None
    remove: str = ""
    null: str | None = None
    letters: bool = False

    def check(self, column: str | None, option: str) -> None:
        """Check the templates.

        Args:
            column: of questions, if there is one.
            option: where the wording was set, for errors.

        Raises:
            ConfigError: the slot is missing, or there is no question to take its place.
        """
        for name in ("template", "choice_template"):
            text = getattr(self, name)
            if text is not None and (SLOT in text) != (column is not None):
                wrong = "has no slot" if column is not None else "has a slot without a column for"
                raise ConfigError(f"{option}.{name}: {text!r} {wrong} {SLOT}")

    def asked(self, question: str, has_options: bool) -> str:
        """What is asked."""
        template = self.template
        if has_options and self.choice_template is not None:
            template = self.choice_template
        return template.replace(SLOT, question)
