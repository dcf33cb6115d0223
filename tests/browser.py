"""Chromium without a window, for tests: driven over a socket by the DevTools protocol.

It speaks to nobody but the server that it is sent to. Whatever it started has ended
when `browser()` has.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import psutil

CHROMIUM = "chromium"
PATIENCE = 120  # seconds; a browser on a busy machine
FLAGS = (
    "--headless",
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-pipe",
)
# Descriptors 3 and 4 are where it reads and writes: here they are one socket.
START = 'exec 3<&"$1" 4>&"$1"; shift; exec "$@"'

Message = dict[str, Any]


class Browser:
    """The connection to a Chromium; `events` are what it has told without being asked."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._data = b""
        self._number = 0
        self.events: list[Message] = []

    def call(self, method: str, page: str | None = None, **parameters: Any) -> Message:
        """What a method gives; `page` is the session of one."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if page is not None:
            message["sessionId"] = page
        self._peer.sendall(json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, (method, answer)
        result: Message = answer["result"]
        return result

    def until(self, wanted: Callable[[Message], bool]) -> Message:
        """The first event of that kind, which may have come already."""
        for event in self.events:
            if wanted(event):
                return event
        while not wanted(event := self._read()):
            self.events.append(event)
        self.events.append(event)
        return event

    def _read(self) -> Message:
        while b"\0" not in self._data:
            piece = self._peer.recv(1_000_000)
            assert piece, "Chromium has gone"
            self._data += piece
        message, _, self._data = self._data.partition(b"\0")
        found: Message = json.loads(message)
        return found


class Page:
    """A page of its own, at that URL."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.go(url)

    def call(self, method: str, **parameters: Any) -> Message:
        return self._browser.call(method, self._session, **parameters)

    def go(self, url: str) -> None:
        """Go there, and wait until all of it is loaded."""
        self._forget("Page.loadEventFired")
        self.call("Page.navigate", url=url)
        self.loaded()

    def loaded(self) -> None:
        self.until("Page.loadEventFired")
        self._forget("Page.loadEventFired")

    def until(self, method: str) -> Message:
        """The first event of that name, on this page."""
        event = self._browser.until(
            lambda event: event["method"] == method and event.get("sessionId") == self._session
        )
        found: Message = event["params"]
        return found

    def events(self, method: str) -> list[Message]:
        """All events of that name so far, on this page."""
        return [
            event["params"]
            for event in self._browser.events
            if event["method"] == method and event.get("sessionId") == self._session
        ]

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript; a promise is waited for."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script: str) -> Any:
        """The first value of an expression that is true."""
        until = monotonic() + PATIENCE
        while not (value := self.run(script)):
            assert monotonic() < until, (script, self.problems())
            Event().wait(0.05)
        return value

    def problems(self) -> list[Message]:
        """What its console has: errors of scripts, and what was refused or not found."""
        names = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event for name in names for event in self.events(name)]

    def look(self, width: int, height: int = 900, dark: bool = False) -> None:
        """How large its window is, and what its reader prefers."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def choose(self, selector: str, *files: Path) -> None:
        """Have those files be the ones that an <input type=file> was given."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def _forget(self, method: str) -> None:
        self._browser.events = [
            event for event in self._browser.events if event["method"] != method
        ]


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A Chromium whose files are in `folder`."""
    ours, theirs = socket.socketpair()
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    with ours, (folder / "chromium.log").open("wb") as log:
        with theirs:
            process = subprocess.Popen(
                ["bash", "-c", START, "-", str(theirs.fileno()), *command],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": str(folder)},
            )
        ours.settimeout(PATIENCE)
        started = psutil.Process(process.pid)
        try:
            yield Browser(ours)
        finally:
            family = [started, *started.children(recursive=True)]
            ours.close()  # it ends when nobody drives it any more
            _, alive = psutil.wait_procs(family, 10)
            for each in alive:
                each.kill()
            process.wait()
