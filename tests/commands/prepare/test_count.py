"""Rolling out with the embedded model, and what can't be scored or read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest
from PIL import Image

from equivalence import naive
from families_helpers import family_of
from model_helpers import adapted_policy, sample_of_size
from prepare_helpers import Faulty, Listed, make_settings
from visionthink_pl.commands.prepare.count import HIGH, LOW, SampleCounter, correct, count_all
from visionthink_pl.commands.prepare.record import Record, Row
from visionthink_pl.data import LookCloser
from visionthink_pl.images import (
    FirstView,
    FullView,
    HalfView,
    PixelLimits,
    ScaledView,
    half,
)
from visionthink_pl.images.first_views import InFull
from visionthink_pl.policy import Policy
from visionthink_pl.rewards import RuleAccuracy, score_groups
from visionthink_pl.rewards.base import Scores
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import ConfigError, Group, UnreadableSample, View, VQASample


def samples(*indices: int) -> list[VQASample]:
    source = LookCloser(40)
    return [source[index] for index in indices]


def test_counts_are_those_of_two_engines(tmp_path: Path, policy: Policy) -> None:
    settings = make_settings(tmp_path, rollouts=4, seed=5)
    asked, expected = samples(0, 6, 9, 12), []
    for view, draw in ((HalfView(), LOW), (FullView(), HIGH)):
        options = ConversationOptions(tools=[], first_view=view, limits=settings.limits)
        conversation = Conversation(policy.family, options)
        engine = RolloutEngine(policy, conversation, Sampling(1, 24, 99, seed=5))
        groups = engine.rollout(asked, 4, draw)
        score_groups(groups, [RuleAccuracy()])
        expected.append([correct(group, settings.accuracy) for group in groups])
    counts = SampleCounter(settings, policy)(asked)
    assert counts == list(zip(*expected, strict=True))
    assert any(low for low, _ in counts) and any(low != high for low, high in counts)


class WithCorner(FirstView):
    """Half the image, and its upper left quarter; in full, also mirrored."""

    def full(self, sample: VQASample, limits: PixelLimits) -> list[View]:
        (view,) = super().full(sample, limits)
        return [view, replace(view, image=view.image.transpose(Image.Transpose.ROTATE_180))]

    def views(self, sample: VQASample, full: Sequence[View]) -> list[View]:
        image = full[0].image
        corner = image.crop((0, 0, image.width // 2, image.height // 2))
        return [replace(full[0], image=self.first(image, sample)), View(corner, "A corner:", 0)]

    def first(self, high: Image.Image, sample: VQASample) -> Image.Image:
        return half(high)


@pytest.mark.parametrize("view", [ScaledView(0.5), WithCorner()], ids=["half the pixels", "two"])
def test_low_is_any_first_view_and_high_is_all_that_it_leaves_out(
    tmp_path: Path, policy: Policy, view: FirstView
) -> None:
    settings = make_settings(tmp_path, rollouts=4, first_view=view)
    asked, expected, shown = samples(0, 6, 12), [], []
    for one, draw in ((view, LOW), (InFull(view), HIGH)):
        options = ConversationOptions(tools=[], first_view=one, limits=settings.limits)
        conversation = Conversation(policy.family, options)
        engine = RolloutEngine(policy, conversation, Sampling(1, 24, 99, seed=0))
        groups = engine.rollout(asked, 4, draw)
        score_groups(groups, [RuleAccuracy()])
        expected.append([correct(group, settings.accuracy) for group in groups])
        shown.append([len(group.trajectories[0].images) for group in groups])
    assert SampleCounter(settings, policy)(asked) == list(zip(*expected, strict=True))
    assert shown == [[2] * 3] * 2 if isinstance(view, WithCorner) else shown == [[1] * 3] * 2


def test_counts_depend_on_the_sample_and_the_seed(tmp_path: Path, policy: Policy) -> None:
    asked = samples(*range(12))
    counts = SampleCounter(make_settings(tmp_path, rollouts=4), policy)(asked)
    backwards = SampleCounter(make_settings(tmp_path, rollouts=4, rows=4), policy)(asked[::-1])
    assert backwards[::-1] == counts
    assert SampleCounter(make_settings(tmp_path, rollouts=4, seed=1), policy)(asked) != counts


class Checksum(RuleAccuracy):
    """What a model of random weights says is right or wrong by chance."""

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        said = ("".join(turn.text for turn in t.turns) for t in group.trajectories)
        return [float(crc32(text.encode()) % 2) for text in said]


@pytest.mark.equivalence
def test_counts_of_each_family_are_those_of_plain_passes(checkpoint: Path, tmp_path: Path) -> None:
    policy, reward = adapted_policy(str(checkpoint), family_of(checkpoint)), Checksum()
    settings = make_settings(tmp_path, accuracy=reward, rollouts=4, max_new_tokens=6)
    asked, expected = [sample_of_size(*size) for size in ((112, 112), (168, 84))], []
    for view, draw in ((HalfView(), LOW), (FullView(), HIGH)):
        options = ConversationOptions(tools=[], first_view=view, limits=settings.limits)
        conversation, sampling = Conversation(policy.family, options), Sampling(1, 6, 99, seed=0)
        found = naive.rollout(policy, conversation, sampling, asked, 4, draw)
        groups = [Group(s, said, 0) for s, said in zip(asked, found, strict=True)]
        expected.append([sum(map(float, reward.score(group, {}))) for group in groups])
    counts = SampleCounter(settings, policy)(asked)
    assert counts == list(zip(*expected, strict=True))
    assert 0 < sum(map(sum, counts)) < 16


def test_no_features_are_kept(tmp_path: Path, policy: Policy) -> None:
    SampleCounter(make_settings(tmp_path), policy)(samples(0, 1))
    assert not policy.features._kept and not policy.features._keys


def test_where_halving_saves_nothing_there_is_one_look(tmp_path: Path, policy: Policy) -> None:
    """One visual token either way: training shows such an image at once."""
    tiny = replace(samples(0)[0], images=(Image.new("RGB", (28, 28), "red"),))
    shown = []
    reward = Faulty(lambda group: shown.append(group.trajectories[0].images[0].size) is not None)
    counts = SampleCounter(make_settings(tmp_path, accuracy=reward), policy)([tiny, samples(6)[0]])
    assert counts[0][0] == counts[0][1] is not None
    assert shown == [(56, 56), (28, 28), (112, 112)]


def test_correct_is_exactly_one(tmp_path: Path, policy: Policy) -> None:
    """A similarity below 1, as some rewards give it, is not correct."""

    class Nearly(RuleAccuracy):
        def score(self, group, parts):
            return [0.99, 1.0, 0.0]

    settings = make_settings(tmp_path, accuracy=Nearly(), rollouts=3)
    assert SampleCounter(settings, policy)(samples(0)) == [(1, 1)]


def test_unscored_is_not_wrong_and_is_tried_again(tmp_path: Path, policy: Policy) -> None:
    def run(fails) -> dict[int, Row]:
        settings = make_settings(tmp_path, data=LookCloser(6), accuracy=Faulty(fails))
        record = Record(tmp_path, {})
        count_all(settings, SampleCounter(settings, policy), record, report=lambda rows: None)
        return record.rows

    whole_image = (112, 112)
    first = run(
        lambda g: g.sample.id.endswith("-4") and g.trajectories[0].images[0].size == whole_image
    )
    assert [row.index for row in first.values() if row.unscored] == [4]
    assert first[4].high is None and first[4].low is not None
    scored = run(lambda group: False)
    assert scored[4].high is not None and scored[4].low == first[4].low
    assert {i: row for i, row in scored.items() if i != 4} == {
        i: row for i, row in first.items() if i != 4
    }


def test_a_changed_sample_is_refused(tmp_path: Path, policy: Policy) -> None:
    first, second = samples(0, 1)
    for data, fails in ((Listed([first]), True), (Listed([replace(second, id=first.id)]), False)):
        reward = Faulty(lambda group, fails=fails: fails)
        settings = make_settings(tmp_path, data=data, accuracy=reward)
        record = Record(tmp_path, {})
        if fails:
            count_all(settings, SampleCounter(settings, policy), record, report=lambda rows: None)
            continue
        with pytest.raises(ConfigError, match=f"sample 0 .{first.id}. has changed since"):
            count_all(settings, SampleCounter(settings, policy), record, report=lambda rows: None)


def test_unreadable_samples_and_duplicates_are_not_rolled_out(
    tmp_path: Path, policy: Policy
) -> None:
    first, second = samples(0, 1)
    bad = UnreadableSample("bad", "no image")
    data = Listed([bad, first, replace(first, id="copy"), second, replace(second, id="again")])
    settings, record, reported = make_settings(tmp_path, data=data), Record(tmp_path, {}), []
    count_all(settings, SampleCounter(settings, policy), record, reported.extend)
    assert [row.id for row in reported] == ["bad", first.id, "copy", second.id, "again"]
    assert [row.low is not None for row in reported] == [False, True, False, True, False]
    assert [row.duplicate_of for row in reported] == [None, None, first.id, None, second.id]


def test_answers_are_truncated_as_asked(tmp_path: Path, policy: Policy) -> None:
    """The most likely id alone: all rollouts of a sample are the greedy one."""
    asked, options = samples(*range(12)), {"rollouts": 4, "rows": 4}
    alike = SampleCounter(make_settings(tmp_path, top_k=1, **options), policy)(asked)
    assert {count for pair in alike for count in pair} == {0, 4}
    for truncation in ({"top_p": 1e-6}, {"min_p": 1.0}):
        settings = make_settings(tmp_path, **truncation, **options)
        assert SampleCounter(settings, policy)(asked) == alike
    sampled = SampleCounter(make_settings(tmp_path, **options), policy)(asked)
    assert not {count for pair in sampled for count in pair} <= {0, 4}  # the control
