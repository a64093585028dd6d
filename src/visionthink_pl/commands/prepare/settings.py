"""The settings of ``prepare``, and which of them the counts depend on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le, Unit

from visionthink_pl.data import Source
from visionthink_pl.images import FirstView, HalfView, PixelLimits
from visionthink_pl.policy.policy_options import PolicyOptions
from visionthink_pl.rewards import Reward
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.prompt_files import TOOLS_SLOT, read_prompt
from visionthink_pl.rollout.sampling import Sampling
from visionthink_pl.rollout.truncation import Truncation
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import (
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Seed,
    Share,
    TopP,
    check_fields,
)

# Keys that the counts don't depend on, only their speed or what follows from them.
INDEPENDENT = re.compile(
    "config|out|gain|balance|rows|prompts_per_batch|policy.device"
    r"|accuracy\.init_args\.(max_failure_rate|judge\.init_args\.(base_url|api_key_env|timeout|deadline"
    r"|max_retries|max_outage|max_concurrency|cache|device|offload|batch_size))"
)


@dataclass(frozen=True)
class Settings:
    """Settings of ``prepare`` (paper, Sec. 3.5).

    Args:
        data: where the samples come from.
        accuracy: the reward that decides which answers are correct: those that it gives exactly 1.
        out: folder for the counts, the data set, the summary and the histogram.
        policy: the model that answers.
        rollouts: of each sample at each of the two resolutions (paper: 8).
        gain: how many more must be correct at high than at low resolution, for a sample that
            needs high resolution (paper: 6 of 8).
        max_new_tokens: tokens that an answer may have.
        temperature: of sampling, above 0 (paper: 1.0).
        top_k: sample from this many of the most likely ids; 0 for all.
        top_p: sample from the fewest ids that have this share of the probability; 1 for all.
        min_p: sample from ids at least so many times as likely as the likeliest; 0 for all.
        rows: trajectories generated at once, in whole groups; memory grows with it.
        prompts_per_batch: samples that are rolled out before their counts are written; a kill
            loses at most these.
        limits: pixel limits of the full image; set them as for training.
        first_view: what low resolution is; by default half the width and height. Set it as for
            training.
        prompt: system prompt: the name of a shipped one, or a text file.
        near_duplicates: drop a sample with the question of an earlier one and an image whose
            64-bit perceptual hash differs in at most this many bits; ``null`` drops only samples
            that are equal in all pixels.
        balance: draw as many samples from the larger class as the smaller one has.
        seed: of all randomness.
    """

    data: Source
    accuracy: Reward
    out: str
    policy: PolicyOptions = PolicyOptions()  # noqa: RUF009 (frozen)
    rollouts: PositiveInt = 8
    gain: PositiveInt = 6
    max_new_tokens: PositiveInt = 512
    temperature: PositiveFloat = 1.0
    top_k: NonNegativeInt = 0
    top_p: TopP = 1.0
    min_p: Share = 0.0
    rows: PositiveInt = 64
    prompts_per_batch: PositiveInt = 16
    limits: PixelLimits = PixelLimits()  # noqa: RUF009 (frozen)
    first_view: FirstView | None = None
    prompt: str = "one_look"
    near_duplicates: Annotated[int, Ge(0), Le(63), Unit("bits")] | None = None
    balance: bool = True
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.gain > self.rollouts:
            raise ConfigError(f"gain: from 1 to rollouts ({self.rollouts}), not {self.gain}")
        if self.accuracy.name != "accuracy":
            raise ConfigError(
                "accuracy: a reward that says what is correct, such as RuleAccuracy, not "
                f"{type(self.accuracy).__name__}"
            )
        if TOOLS_SLOT in self.prompt_text:
            raise ConfigError(
                f"prompt: {self.prompt!r} has the slot {TOOLS_SLOT}, but no tool is offered here; "
                "use a prompt without it, such as 'one_look'"
            )

    def conversation(self, view: FirstView) -> ConversationOptions:
        """Options of a conversation of one turn, with this view."""
        return ConversationOptions(
            max_turns=1,
            max_new_tokens=self.max_new_tokens,
            tools=[],
            prompt_without_tools=self.prompt,
            first_view=view,
            limits=self.limits,
        )

    def sampling(self, view: FirstView) -> Sampling:
        """How the answers of such a conversation are sampled."""
        truncation = Truncation(self.top_k, self.top_p, self.min_p)
        return self.conversation(view).sampling(self.rows, self.seed, truncation)

    @property
    def view(self) -> FirstView:
        """``first_view``, or ``HalfView``."""
        return HalfView() if self.first_view is None else self.first_view

    @property
    def prompt_text(self) -> str:
        """The system prompt."""
        return read_prompt(self.prompt)


def fingerprint(settings: Settings, config: Mapping[str, Any]) -> dict[str, Any]:
    """All settings that the counts depend on, by dotted key, as JSON values.

    Args:
        settings: as built.
        config: the same, as parsed.
    """
    found = dict(_flat(config, ""))
    found = {key: value for key, value in found.items() if not INDEPENDENT.fullmatch(key)}
    found["number of samples"] = len(settings.data)
    found["text of the prompt"] = settings.prompt_text
    if settings.policy.adapter is not None:  # a folder of the same name may hold another one
        found["adapter's weights"] = _digest(Path(settings.policy.adapter))
    return found


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for child, inner in value.items():
            yield from _flat(inner, f"{key}.{child}" if key else str(child))
    else:
        yield key, value if value is None or isinstance(value, int | float | list) else str(value)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.glob("adapter_*")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
