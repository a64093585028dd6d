"""The plug-in, under stand-ins for lmms-eval's classes (tools/check_lmms_eval.sh has its own)."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from lmms_helpers import lmms, load_plugin, messages
from visionthink_pl.commands.answering.answerer import Answerer
from visionthink_pl.commands.answering.model_options import ModelOptions
from visionthink_pl.data import LookCloser
from visionthink_pl.types import ConfigError, VQASample

SOURCE = LookCloser(10, "validation")
SAMPLES = [sample for i in range(10) if isinstance(sample := SOURCE[i], VQASample)]
GREEDY = {"max_new_tokens": 3, "temperature": 0, "do_sample": False, "until": ["\n"]}


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> type:
    return load_plugin(monkeypatch)


def requests(
    options: dict[str, Any], to: Callable[[VQASample], list[dict[str, Any]]] = messages
) -> list[Any]:
    return [
        SimpleNamespace(args=(s.question, to, options, index, "drawn", "test"))
        for index, s in enumerate(SAMPLES)
    ]


def build(plugin: type, **options: Any) -> Any:
    model = plugin(device="cpu", **options)
    model.task_dict = {"drawn": {"test": SAMPLES}}
    return model


def test_the_answers_are_those_of_the_policy(
    plugin: type, capsys: pytest.CaptureFixture[str]
) -> None:
    assert issubclass(plugin, lmms) and plugin.is_simple is False
    model = build(plugin, batch_size=4, max_batch_size=None)
    options = ModelOptions(device="cpu")
    run = options.find()
    expected = Answerer(options, run, 1.0, 64, 0)(SAMPLES, run.options)
    results = model.generate_until(requests(GREEDY))
    assert [result.text for result in results] == [g.trajectories[0].answer for g in expected]
    assert any(group.trajectories[0].response_tokens > 3 for group in expected), "3 would do"
    for group, result in zip(expected, results, strict=True):
        (trajectory,), counts = group.trajectories, result.token_counts
        assert counts.output_tokens == trajectory.response_tokens
        assert counts.input_tokens + counts.output_tokens == len(trajectory.ids)
    assert "10 questions; visual tokens 40 of 160 of one full look" in capsys.readouterr().err
    assert model.cache_hook.seen[0] == (
        "generate_until",
        (SAMPLES[0].question, GREEDY),
        results[0].text,
    )


def test_a_task_that_samples(plugin: type) -> None:
    sampled = {"temperature": 2.0, "do_sample": True}
    mixed = [*requests(GREEDY)[:5], *requests(sampled)[5:]]
    found, again, greedy = (
        [result.text for result in build(plugin).generate_until(asked)]
        for asked in (mixed, mixed, requests(GREEDY))
    )
    assert found == again and found[:5] == greedy[:5]


def text_alone(sample: VQASample) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}]


def with_video(sample: VQASample) -> list[dict[str, Any]]:
    (message,) = messages(sample)
    return [message | {"content": [*message["content"], {"type": "video", "url": "a.mp4"}]}]


def with_example(sample: VQASample) -> list[dict[str, Any]]:
    return [*messages(sample), {"role": "assistant", "content": []}, *messages(sample)]


@pytest.mark.parametrize(
    ("to", "said"),
    [
        (text_alone, "text and at least one image, not text"),
        (with_video, "text and at least one image, not image, text, video"),
        (with_example, "one message of the user, without examples"),
    ],
)
def test_what_it_was_not_trained_on_is_refused(plugin: type, to: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(plugin).generate_until(requests(GREEDY, to))


def test_other_kinds_of_task_and_several_processes(
    plugin: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(plugin)
    for method in (model.loglikelihood, model.generate_until_multi_round):
        with pytest.raises(NotImplementedError, match="visionthink_pl"):
            method([])
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="one process"):
        build(plugin)
