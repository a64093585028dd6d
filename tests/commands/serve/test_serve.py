"""The endpoint, asked by OpenAI's client and by strangers."""

import base64
import io
import json
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image

from serve_helpers import asking, data_url, served
from visionthink_pl.commands.answering.answerer import Answerer
from visionthink_pl.commands.answering.model_options import ModelOptions
from visionthink_pl.commands.parsing.early import check
from visionthink_pl.commands.serve.serve import ServeOptions, application, main, parse
from visionthink_pl.data import LookCloser
from visionthink_pl.types import Group, VQASample

SOURCE = LookCloser(12, "validation")
SAMPLES = [sample for i in range(12) if isinstance(sample := SOURCE[i], VQASample)]
CPU = ModelOptions(device="cpu")
PNG = data_url(SAMPLES[0].images[0])
QUESTION = SAMPLES[0].question


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(application(ServeOptions(CPU, max_megabytes=1, max_images=2))) as found:
        yield found


@pytest.fixture(scope="module")
def client(address: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def expected() -> list[Group]:
    run = CPU.find()
    return Answerer(CPU, run, 1.0, 64, 0)(SAMPLES, run.options)


def ask(client: openai.OpenAI, sample: VQASample, **more: Any) -> Any:
    messages = asking(sample.question, *map(data_url, sample.images))
    return client.chat.completions.create(model="embedded", messages=messages, **more)


def test_the_answers_are_those_of_the_policy(client: openai.OpenAI, expected: list[Group]) -> None:
    """Sent at once, so that they are answered together."""
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda sample: ask(client, sample), SAMPLES))
    for group, reply in zip(expected, replies, strict=True):
        (trajectory,), (choice,) = group.trajectories, reply.choices
        assert choice.message.content == trajectory.answer
        assert choice.message.reasoning == "\n".join(turn.text for turn in trajectory.turns)
        assert choice.message.second_look == trajectory.high
        assert choice.finish_reason == "stop"
        assert reply.usage.completion_tokens == trajectory.response_tokens
        assert reply.usage.total_tokens == len(trajectory.ids)
        assert reply.usage.prompt_tokens == sum(not own for own in trajectory.generated_mask)
        assert reply.usage.visual_tokens == trajectory.visual_tokens
        assert reply.usage.full_look_tokens == 16


def test_the_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["embedded"]
    assert client.models.retrieve("embedded").owned_by == "visionthink_pl"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_a_stream_says_the_same(client: openai.OpenAI, expected: list[Group]) -> None:
    options = {"include_usage": True}
    chunks = list(ask(client, SAMPLES[3], stream=True, stream_options=options))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == expected[3].trajectories[0].answer
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == expected[3].trajectories[0].response_tokens


def test_several_images_are_one_question(client: openai.OpenAI) -> None:
    messages = asking("What colour is the large shape?", PNG, data_url(SAMPLES[1].images[0]))
    reply = client.chat.completions.create(model="embedded", messages=messages)
    assert reply.usage is not None and reply.usage.full_look_tokens == 32  # type: ignore[attr-defined]


def test_lengths(client: openai.OpenAI, expected: list[Group]) -> None:
    """A turn may be shorter than the run's, never longer."""
    cut = ask(client, SAMPLES[0], max_tokens=3)
    assert (cut.choices[0].finish_reason, cut.choices[0].message.content) == ("length", "")
    assert cut.usage.completion_tokens == 3
    long = ask(client, SAMPLES[0], max_completion_tokens=10**6)
    assert long.choices[0].message.content == expected[0].trajectories[0].answer


def test_sampling_is_repeated_by_its_seed(client: openai.OpenAI) -> None:
    said = [
        ask(client, SAMPLES[5], temperature=2, seed=seed).choices[0].message.reasoning
        for seed in (1, 1, 2, 3, 4)
    ]
    assert said[0] == said[1] and len(set(said)) > 1


USER = asking(QUESTION, PNG)
SYSTEM = {"role": "system", "content": "Be brief."}
EARLIER = [*USER, {"role": "assistant", "content": "7"}, *USER]
BROKEN = "data:image/png;base64,"
REFUSED = [
    ({"model": "gpt-5"}, 404, "this server has 'embedded', not 'gpt-5'"),
    ({"messages": [SYSTEM, *USER]}, 400, "no system message"),
    ({"messages": EARLIER}, 400, "not trained on conversations"),
    ({"messages": []}, 400, "a list of one message"),
    ({"messages": "hello"}, 400, "a list of one message"),
    ({"messages": [7]}, 400, "one message of the user"),
    ({"messages": [{"role": "user", "content": QUESTION}]}, 400, "from 1 to 2 images"),
    ({"messages": asking(QUESTION, PNG, PNG, PNG)}, 400, "from 1 to 2 images"),
    ({"messages": [{"role": "user", "content": 7}]}, 400, "a text, or a list of parts"),
    ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, 400, "each part"),
    ({"messages": asking(" ", PNG)}, 400, "the question is empty"),
    ({"messages": asking("a" * 40_000, PNG)}, 400, "32,768 characters at most"),
    ({"messages": asking("\ud800", PNG)}, 400, "half of a surrogate pair"),
    (
        {"messages": asking(QUESTION, "https://a.b/c.png")},
        400,
        "start the server with --allow-urls",
    ),
    ({"messages": asking(QUESTION, "file:///etc/passwd")}, 400, "image_url.url: data:image/png"),
    ({"messages": asking(QUESTION, f"{BROKEN}%%%")}, 400, "base64 is broken"),
    ({"messages": asking(QUESTION, f"{BROKEN}\u00e9")}, 400, "base64 is broken"),
    ({"messages": asking(QUESTION, f"{BROKEN}aGVsbG8=")}, 400, "no PNG, JPEG, WebP or GIF"),
    ({"messages": asking(QUESTION, PNG[:198])}, 400, "an image of the request: "),
    ({"max_tokens": 0}, 400, "max_tokens: a whole number from 1"),
    ({"max_tokens": "many"}, 400, "max_tokens: a whole number from 1"),
    ({"temperature": -1}, 400, "temperature: a number from 0 to 2"),
    ({"temperature": True}, 400, "temperature: a number from 0 to 2"),
    ({"temperature": 1, "top_p": 0.5}, 400, "top_p: 1 where temperature is above 0"),
    ({"n": 2}, 400, "n: 1 alone"),
    ({"stream": "yes"}, 400, "stream: true or false"),
    ({"tools": []}, 400, "'tools' is not known here"),
    ({"\ud800": 1}, 400, "is not known here"),
]


@pytest.mark.parametrize(("changes", "status", "said"), REFUSED)
def test_what_is_refused(address: str, changes: dict[str, Any], status: int, said: str) -> None:
    fields = {"model": "embedded", "messages": USER} | changes
    headers = {"Content-Type": "application/json"}
    content = json.dumps(fields)  # in ASCII, which can name half of a surrogate pair
    response = httpx2.post(f"{address}/v1/chat/completions", content=content, headers=headers)
    error = response.json()["error"]
    assert response.status_code == status and said in error["message"]
    assert error["type"] == "invalid_request_error" and error.keys() >= {"param", "code"}


def bomb(width: int, height: int) -> str:
    """A PNG whose header promises many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    body = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return BROKEN + base64.b64encode(b"\x89PNG\r\n\x1a\n" + body + end).decode()


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ((bomb(60_000, 60_000),), "too many pixels"),
        ((bomb(10_000, 10_000),), "too many pixels"),
        ((bomb(9_000, 9_000), bomb(9_000, 9_000)), "pixels together at most, not 162,000,000"),
        ((bomb(1_000, 1_000),), "can't decode the image"),  # found by whoever decodes it
    ],
)
def test_bombs(address: str, urls: tuple[str, ...], said: str) -> None:
    fields = {"model": "embedded", "messages": asking(QUESTION, *urls)}
    response = httpx2.post(f"{address}/v1/chat/completions", json=fields)
    assert response.status_code == 400 and said in response.json()["error"]["message"]


BODIES = [
    (b"", 400, "the body is not JSON"),
    (b"{", 400, "the body is not JSON"),
    (b"\xff\xfe\x00", 400, "the body is not JSON"),
    (b"[" * 100_000, 400, "the body is not JSON"),
    (b"[]", 400, "the body must be a JSON object"),
    (b"9" * 10_000, 400, "the body is not JSON"),
    (b" " * 1_000_001, 413, "1,000,000 bytes at most"),
]


@pytest.mark.parametrize(("body", "status", "said"), BODIES)
def test_bodies_that_are_no_request(address: str, body: bytes, status: int, said: str) -> None:
    headers = {"Content-Type": "application/json"}
    response = httpx2.post(f"{address}/v1/chat/completions", content=body, headers=headers)
    assert response.status_code == status and said in response.json()["error"]["message"]


def test_other_routes_and_kinds_of_body(address: str) -> None:
    plain = httpx2.post(f"{address}/v1/chat/completions", content=b"{}")
    assert plain.status_code == 415
    for method, path, status in (("GET", "/v1/chat/completions", 405), ("POST", "/v1/x", 404)):
        response = httpx2.request(method, f"{address}{path}")
        assert response.status_code == status
        assert path in response.json()["error"]["message"]


def test_the_server_still_answers(client: openai.OpenAI, expected: list[Group]) -> None:
    assert ask(client, SAMPLES[1]).choices[0].message.content == expected[1].trajectories[0].answer


def test_images_are_fetched_where_that_is_allowed() -> None:
    app = application(ServeOptions(CPU, allow_urls=True, max_megabytes=1))
    out = io.BytesIO()
    SAMPLES[0].images[0].save(out, "PNG")

    @app.get("/image.png")
    def image() -> Any:
        from fastapi import Response

        return Response(out.getvalue())

    @app.get("/large.png")
    def large() -> Any:
        from fastapi import Response

        return Response(b"x" * 1_000_001)

    with served(app) as address:
        for path, status in (("image", 200), ("large", 400), ("nowhere", 400)):
            fields = {
                "model": "embedded",
                "messages": asking(QUESTION, f"{address}/{path}.png"),
            }
            response = httpx2.post(f"{address}/v1/chat/completions", json=fields, timeout=60)
            assert response.status_code == status, response.text


def test_the_command_line(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("--allow-urls", "--allow_urls"):
        assert parse(["--model", "mine", flag, "--port=0"]).allow_urls
        check("serve", [flag, "--port=0"])
    assert parse(["--model", str(tmp_path / "mine")]).served == "mine"
    assert not parse([]).allow_urls and parse([]).host == "127.0.0.1"
    for args, said in (
        (["--port=70000"], "port: from 0 to 65535"),
        (["--model=no.ckpt", "--port=0"], "there is no file 'no.ckpt'"),
        (["--host=256.1.1.1"], "can't listen at 256.1.1.1:8000"),
    ):
        assert main(args) == 2
        assert said in capsys.readouterr().err


def test_negative_control_a_bomb_is_an_image_otherwise() -> None:
    content = base64.b64decode(bomb(1_000, 1_000).removeprefix(BROKEN))
    assert Image.open(io.BytesIO(content)).size == (1_000, 1_000)
