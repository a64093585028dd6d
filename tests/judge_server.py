"""A judge behind real HTTP on loopback, which misbehaves as it is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any

LONG_S = 600.0  # how long a server hangs: longer than any test waits


@dataclass(frozen=True)
class Say:
    """A chat completion; ``after`` seconds, and ``length`` as reason where it was cut off."""

    text: str
    after: float = 0.0
    reason: str = "stop"


@dataclass(frozen=True)
class Fail:
    """A status other than 200."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "made so"


@dataclass(frozen=True)
class Raw:
    """Status 200 and these bytes; ``promised`` more than there are cuts the body off."""

    body: bytes
    promised: int = 0


@dataclass(frozen=True)
class Hang:
    """Never answers."""


@dataclass(frozen=True)
class Drip:
    """Sends one byte now and then, so that no read ever times out."""


@dataclass(frozen=True)
class Drop:
    """Closes the connection without a word."""


Action = Say | Fail | Raw | Hang | Drip | Drop


@dataclass
class JudgeServer:
    """What the server was asked, and how often at once."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    headers: list[Message] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    def answers(self) -> list[str]:
        """The candidate answers that were asked about, in order."""
        return [case_of(request)["candidate_answer"] for request in self.requests]


def case_of(request: dict[str, Any]) -> dict[str, str]:
    """The case that a request puts before the judge."""
    content = request["messages"][0]["content"]
    line = next(line for line in content.splitlines() if line.startswith("{"))
    return json.loads(line)


class Server(ThreadingHTTPServer):
    """Answers each request in a thread of its own, as ``act`` says."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, act: Callable[[dict[str, Any], int], Action]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.act = act
        self.lock = threading.Lock()
        self.state = JudgeServer(f"http://127.0.0.1:{self.server_port}/v1")

    def count(self, body: dict[str, Any], headers: Message) -> int:
        """Book a request, and say how many came before it."""
        with self.lock:
            state, before = self.state, len(self.state.requests)
            state.requests.append(body)
            state.times.append(time.monotonic())
            state.headers.append(headers)
            state.under_way += 1
            state.most_under_way = max(state.most_under_way, state.under_way)
            return before


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        before = self.server.count(body, self.headers)
        try:
            self.act(self.server.act(body, before))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has given up
        finally:
            with self.server.lock:
                self.server.state.under_way -= 1

    def act(self, action: Action) -> None:
        wait = self.server.state.closing.wait
        if isinstance(action, Say):
            wait(action.after)
            self.send(200, completion(action))
            return
        if isinstance(action, Fail):
            error = {"error": {"message": action.message, "type": "made"}}
            self.send(action.status, json.dumps(error).encode(), action.headers)
            return
        self.close_connection = True
        if isinstance(action, Raw):
            self.send(200, action.body, promised=action.promised)
        elif isinstance(action, Hang):
            wait(LONG_S)
        elif isinstance(action, Drip):
            self.send(200, b"", promised=10_000)
            while not wait(0.05):
                self.wfile.write(b" ")

    def send(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] = MappingProxyType({}),
        promised: int = 0,
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(promised or len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def judge_server(act: Callable[[dict[str, Any], int], Action]) -> Iterator[JudgeServer]:
    """Serve; ``act`` says what to do with a request, and how many came before it."""
    server = Server(act)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.state
    finally:
        server.state.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def completion(action: Say) -> bytes:
    """The body of a chat completion."""
    message = {"role": "assistant", "content": action.text}
    choice = {"index": 0, "message": message, "finish_reason": action.reason}
    return json.dumps(
        {
            "id": "made",
            "object": "chat.completion",
            "created": 0,
            "model": "made",
            "choices": [choice],
        }
    ).encode()


def honest(request: dict[str, Any], before: int) -> Action:
    """Right where the texts are the same."""
    case = case_of(request)
    return Say(f"Score: {int(case['candidate_answer'] == case['reference_answer'])}")
