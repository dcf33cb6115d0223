"""A real browser without a window, spoken to over a pipe: what a page does, and what it logs.

The protocol is Chromium's own for its developers' tools: JSON, each message with a NUL
behind it, on descriptors 3 and 4 of the browser.
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

PATIENCE = 90
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# With the pipes' ends where the browser looks for them.
WITH_PIPES = 'exec "${@:3}" 3<&"$1" 4>&"$2"'


class Browser:
    """Commands, and what is told of meanwhile."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._received = b""
        self._asked = 0
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """What a command gives."""
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._asked:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        until = monotonic() + PATIENCE
        while b"\0" not in self._received:
            ready = select.select([self._reading], [], [], max(0.0, until - monotonic()))[0]
            assert ready, "the browser does not answer"
            piece = os.read(self._reading, 1 << 20)
            assert piece, "the browser has ended"
            self._received += piece
        line, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def open(self, url: str, **options: Any) -> Page:
        """A page, whose log is kept from its beginning."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Runtime", "Log", "Page"):
            page.ask(f"{domain}.enable")
        page.look(**options)
        page.load("Page.navigate", url=url)
        return page

    def wait(self) -> None:
        """Until something is told of."""
        self.events.append(self._next())


class Page:
    """One page of a browser."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.ask(method, self._session, **parameters)

    def look(self, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """How large it is, and what its reader prefers."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def without_script(self) -> None:
        """As for a reader who has switched scripts off; loads it again."""
        self.ask("Emulation.setScriptExecutionDisabled", value=True)
        self.load("Page.reload")

    def load(self, method: str, **parameters: Any) -> None:
        """Go somewhere, and be there."""
        loaded = len(self.told("Page.loadEventFired"))
        self.ask(method, **parameters)
        while len(self.told("Page.loadEventFired")) == loaded:
            self._browser.wait()

    def value(self, expression: str) -> Any:
        """What an expression gives there."""
        told = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, expression: str) -> Any:
        """The first true thing that it gives; of a page that is still to come, too."""
        until = monotonic() + PATIENCE
        while not (value := self.value(expression)):
            assert monotonic() < until, (expression, self.problems)
            Event().wait(0.05)
        return value

    def text(self, selector: str) -> str:
        """What is read there."""
        found = self.value(f"document.querySelector({json.dumps(selector)}).innerText")
        return str(found)

    @property
    def problems(self) -> list[Any]:
        """Errors of scripts, and what the browser refused or could not load."""
        return [
            *self.told("Runtime.exceptionThrown"),
            *self.told("Runtime.consoleAPICalled"),
            *self.told("Log.entryAdded"),
        ]

    def told(self, method: str) -> list[Any]:
        """All events of that name so far."""
        return [
            each["params"]
            for each in self._browser.events
            if each["method"] == method and each.get("sessionId") == self._session
        ]

    def screenshot(self) -> bytes:
        """All of it, as a PNG."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser that keeps its files there; it and all its processes end with the block."""
    reading, to_it = os.pipe()
    from_it, writing = os.pipe()
    process = subprocess.Popen(
        [
            *("bash", "-c", WITH_PIPES, "bash", str(reading), str(writing)),
            *("chromium", *FLAGS, f"--user-data-dir={folder}"),
        ],
        pass_fds=(reading, writing),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(reading)
    os.close(writing)
    try:
        browser = Browser(from_it, to_it)
        yield browser
        browser.ask("Browser.close")
        process.wait(PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        os.close(to_it)
        os.close(from_it)
