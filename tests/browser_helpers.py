"""A headless Chromium, driven by its DevTools protocol over pipes, without a package for it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (found for name in ("chromium", "google-chrome", "chrome") if (found := shutil.which(name))),
    None,
)
NO_CHROMIUM = "needs chromium: apt-get install chromium"
PATIENCE_S = 60.0
CODES = {
    "Backspace": 8,
    "Escape": 27,
    "End": 35,
    "Home": 36,
    "ArrowUp": 38,
    "ArrowDown": 40,
    "Enter": 13,
}


class Browser:
    """One page in one browser; a context manager.

    Attributes:
        complaints: what the page has thrown, and errors and warnings of its console.
        requested: addresses that it has asked for.
    """

    def __init__(self, profile: Path, width: int = 1280, height: int = 900) -> None:
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self._number, self._events, self._rest = 0, list[dict[str, Any]](), b""
        command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu"]
        command += ["--remote-debugging-pipe", "--hide-scrollbars", f"--user-data-dir={profile}"]
        command += ["--no-first-run", "--disable-background-networking", "about:blank"]
        self._process, self._to, self._from = _started(command)
        self._session = ""
        targets = self("Target.getTargets")["targetInfos"]
        (page,) = (one for one in targets if one["type"] == "page")
        attached = self("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")
        self.size(width, height)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        os.close(self._to)
        os.close(self._from)

    def __call__(self, method: str, **params: Any) -> Any:
        """Send a command, and wait for its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._from, 2**20)
            assert chunk, "the browser has ended"
            self._rest += chunk
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._keep(message.get("method", ""), message.get("params", {}))
        return message

    def _keep(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(str([each.get("value") for each in params["args"]]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])

    def open(self, file: Path, mark: str = "ready") -> float:
        """Open a file, wait until the page has made a mark, and return when that was, in ms."""
        self.complaints.clear()
        self.requested.clear()
        self("Page.navigate", url=file.as_uri())
        self.wait(f"performance.getEntriesByName({mark!r}).length > 0")
        return float(self.value(f"performance.getEntriesByName({mark!r})[0].startTime"))

    def value(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = self("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE_S
        while not self.value(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        """Press and release each key."""
        for key in keys:
            typed = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            more = {"windowsVirtualKeyCode": CODES.get(key, 0), "text": typed}
            self("Input.dispatchKeyEvent", type="keyDown", key=key, **more)
            self("Input.dispatchKeyEvent", type="keyUp", key=key, **more)

    def size(self, width: int, height: int, phone: bool = False) -> None:
        """Set the window's size in CSS pixels."""
        scale = 2 if phone else 1
        self(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=phone,
        )

    def dark(self, dark: bool = True) -> None:
        """Prefer a dark or a light page."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, file: Path, whole: bool = False) -> Path:
        """Write a PNG of the window, or of the whole page."""
        shot = self("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))
        return file


def _started(command: list[str]) -> tuple[subprocess.Popen[bytes], int, int]:
    """The process, what it reads and what it writes: its files 3 and 4."""
    reads, to = os.pipe()
    answers, writes = os.pipe()
    theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (reads, writes)]
    os.close(reads)
    os.close(writes)
    shell = f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", *command], pass_fds=theirs, stderr=subprocess.DEVNULL
    )
    for end in theirs:
        os.close(end)
    return process, to, answers
