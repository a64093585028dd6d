"""Ways to show an image, behind any first look."""

from PIL import Image

from helpers import make_sample
from visionthink_pl.commands.answering.modes import modes_of
from visionthink_pl.families import Family
from visionthink_pl.images import FirstView, PixelLimits, ScaledView, half
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import View, VQASample


class Twice(FirstView):
    """Half the image; in full it is shown twice."""

    def full(self, sample: VQASample, limits: PixelLimits) -> list[View]:
        return super().full(sample, limits) * 2

    def first(self, high: Image.Image, sample: VQASample) -> Image.Image:
        return half(high)


def shown(family: Family, view: FirstView) -> dict[str, list[tuple[int, int]]]:
    """Sizes of what each mode begins with."""
    options = ConversationOptions(first_view=view)
    modes = modes_of(["adaptive", "always_low", "always_high", {"fixed_ratio": 0.25}], options)
    found = {}
    for mode in modes:
        opening = Conversation(family, mode.options).open(make_sample(size=(112, 112)))
        found[mode.name] = [image.size for image in opening.trajectory.images]
    return found


def test_always_high_is_all_that_the_first_view_leaves_out(family: Family) -> None:
    assert shown(family, Twice()) == {
        "adaptive": [(56, 56)] * 2,
        "always_low": [(56, 56)] * 2,
        "always_high": [(112, 112)] * 2,
        "fixed_ratio_0.25": [(56, 56)],
    }


def test_always_low_is_the_run_s_own_first_view(family: Family) -> None:
    found = shown(family, ScaledView(0.5))
    assert found["always_low"] == found["adaptive"] == [(79, 79)]
    assert found["always_high"] == [(112, 112)]
