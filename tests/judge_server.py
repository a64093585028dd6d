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

LONG_S = 60.0  # how long a server hangs: longer than any test waits


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


class Hang:
    """Never answers."""


class Drip:
    """Sends one byte now and then, so that no read ever times out."""


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


@contextmanager
def judge_server(act: Callable[[dict[str, Any], int], Action]) -> Iterator[JudgeServer]:
    """Serve; ``act`` says what to do with a request, and how many came before it."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                before = len(state.requests)
                state.requests.append(body)
                state.times.append(time.monotonic())
                state.headers.append(self.headers)
                state.under_way += 1
                state.most_under_way = max(state.most_under_way, state.under_way)
            try:
                self.act(act(body, before))
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has given up
            finally:
                with lock:
                    state.under_way -= 1

        def act(self, action: Action) -> None:
            if isinstance(action, Say):
                state.closing.wait(action.after)
                self.send(200, completion(action))
            elif isinstance(action, Fail):
                error = {"error": {"message": action.message, "type": "made"}}
                self.send(action.status, json.dumps(error).encode(), action.headers)
            elif isinstance(action, Raw):
                self.send(200, action.body, promised=action.promised)
                self.close_connection = True
            elif isinstance(action, Hang):
                state.closing.wait(LONG_S)
                self.close_connection = True
            elif isinstance(action, Drip):
                self.send(200, b"", promised=10_000)
                while not state.closing.wait(0.05):
                    self.wfile.write(b" ")
                self.close_connection = True
            else:
                self.close_connection = True

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

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    state = JudgeServer(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
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
