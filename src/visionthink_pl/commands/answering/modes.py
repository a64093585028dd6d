"""Ways to show an image to a policy, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from visionthink_pl.images import ScaledView
from visionthink_pl.images.first_views import InFull
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import ConfigError

ADAPTIVE, LOW, HIGH, RATIO = "adaptive", "always_low", "always_high", "fixed_ratio"
TITLES = {ADAPTIVE: "adaptive", LOW: "always low", HIGH: "always high"}


@dataclass(frozen=True)
class Mode:
    """One way to show images.

    Attributes:
        name: it is written under.
        options: of its conversation.
        ratio: share of the pixels in the one look of a fixed ratio, else ``None``.
    """

    name: str
    options: ConversationOptions
    ratio: float | None = None


def mode_title(name: str) -> str:
    """The name of a mode as pictures and tables show it."""
    return TITLES.get(name, name.replace(f"{RATIO}_", "") + " of the pixels")


def modes_of(
    named: Sequence[str | Mapping[str, float]], options: ConversationOptions
) -> list[Mode]:
    """The modes that a config names.

    ``adaptive`` is the run's own conversation. The others show the image once, under the prompt
    that the run has where no tool is on offer: ``always_low`` the run's first view,
    ``always_high`` all of the sample in full, ``fixed_ratio: r`` the share r of its pixels.

    Args:
        named: as a config has them.
        options: of the run.

    Raises:
        ConfigError: one of them is no mode, or named twice.
    """
    modes = [_mode(name, options) for name in named]
    names = [mode.name for mode in modes]
    if not modes or len(set(names)) < len(names):
        raise ConfigError(f"modes: at least one, each once, not {', '.join(names) or 'none'}")
    return modes


def _mode(named: str | Mapping[str, float], options: ConversationOptions) -> Mode:
    once = replace(options, tools=[], max_turns=1)
    if named == ADAPTIVE:
        return Mode(ADAPTIVE, options)
    if named == LOW:
        return Mode(LOW, once)
    if named == HIGH:
        return Mode(HIGH, replace(once, first_view=InFull(options.view)))
    ratio = named.get(RATIO) if isinstance(named, Mapping) and len(named) == 1 else None
    if not isinstance(ratio, float | int) or not 0 < ratio <= 1:
        raise ConfigError(
            f"modes: {ADAPTIVE}, {LOW}, {HIGH} or {RATIO}: R with R above 0 and at most 1, not "
            f"{named!r}"
        )
    view = ScaledView(float(ratio))
    return Mode(f"{RATIO}_{ratio:g}", replace(once, first_view=view), float(ratio))
