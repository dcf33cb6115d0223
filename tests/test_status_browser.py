"""The status page of a running server, as Chromium shows it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser, Page, browser
from tests.test_cli_listen import line_of, serving
from tests.test_workers import PATIENCE

WEB = ["web", "--listen", "tcp:0:interface=127.0.0.1", "--no-access-log", "--status", "0"]
DRAWN = "document.querySelectorAll('#plots path[d*=L]').length > 20"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as chromium:
        yield chromium


class Server:
    """A process, where it serves, and its status page."""

    def __init__(self, process: Any) -> None:
        self.process = process
        places = dict(line_of(process).split(" on ") for _ in range(2))
        self.address = address(places["web"])
        self.url = "http://{}:{}/".format(*address(places["status"]))


def address(text: str) -> tuple[str, int]:
    host, port = text.split()[0].split(":")
    return host, int(port)


@contextmanager
def server(*flags: str, **options: Any) -> Iterator[Server]:
    with serving(*WEB, *flags, **options) as process:
        yield Server(process)


@contextmanager
def connected(place: tuple[str, int], count: int) -> Iterator[None]:
    """Connections that have been served once, and stay so long."""
    with ExitStack() as stack:
        for _ in range(count):
            peer = stack.enter_context(socket.create_connection(place, PATIENCE))
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert peer.recv(15) == b"HTTP/1.1 200 OK"
        yield


def number(text: str) -> float:
    match = re.match(r"[\d,.]+", text)
    assert match, text
    return float(match[0].replace(",", ""))


def below(id: str, title: str) -> str:
    """An expression: what stands in the last row below a title."""
    return (
        f"(() => {{ const table = document.getElementById('{id}');"
        f"const at = [...table.tHead.rows[0].cells].findIndex(c => c.innerText === '{title}');"
        f"return [...table.rows].at(-1).cells[at].innerText }})()"
    )


def test_figures_arrive_and_nothing_is_refused(chromium: Browser) -> None:
    with server("--workers", "2") as served:
        page = Page(chromium, served.url)
        page.wait("document.getElementById('state').innerText === 'ready'")
        with connected(served.address, 7):
            page.wait(f"{below('processes', 'Connections')} === '7'")
            page.wait(DRAWN)
            names = "[...document.querySelectorAll('#processes tbody th')].map(c => c.innerText)"
            assert page.run(names) == ["worker 0", "worker 1"]
            assert number(page.run(below("processes", "Memory"))) > 1
            legend = "open 7 paused 0 closing 0 lingering 0"
            shown = page.run("document.querySelector('figure .legend').innerText")
            assert shown.split() == legend.split()
            page.run("chosen.value = chosen.options[1].value")
            page.wait("document.querySelector('figure .legend b').innerText !== '7'")
        page.wait(f"{below('processes', 'Connections')} === '0'")
        assert page.problems() == []


def test_the_plots_tell_who_cannot_see_them(chromium: Browser) -> None:
    with server() as served:
        page = Page(chromium, served.url)
        page.wait(DRAWN)
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        assert page.problems() == []
    found: dict[str, list[str]] = {}
    for node in nodes:
        name = node.get("name", {}).get("value", "")
        found.setdefault(node.get("role", {}).get("value"), []).append(name)
    assert len(found["image"]) == 10
    assert any(
        re.fullmatch(r"Memory: at most [\d.]+ MiB in two minutes", name) for name in found["image"]
    )
    assert found["table"] == [
        "Processes",
        "Busiest connections",
        "Slowest callbacks",
        "Accept queues",
    ]
    assert set(found["table"]) <= set(found["region"])
    assert found["rowheader"][0].startswith("process ")


def test_it_fits_every_window_and_taste(chromium: Browser) -> None:
    with server() as served:
        page = Page(chromium, served.url)
        page.wait(DRAWN)
        for width, dark in product((320, 390, 800, 1600), (False, True)):
            page.look(width, dark=dark)
            assert page.run("document.documentElement.scrollWidth") <= width
            background = page.run("getComputedStyle(document.body).backgroundColor")
            brightness = sum(map(int, re.findall(r"\d+", background))) / 3
            assert (brightness < 60) if dark else (brightness > 200)
        assert page.problems() == []


SLOW = """
import time
from reactorlib.protocols.http.resource import Resource

class Slow(Resource):
    isLeaf = True

    def render_GET(self, request):
        time.sleep(0.03)
        return b"at last"

root = Slow()
"""


def test_what_was_slow_stays_in_sight(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    with server("--resource", "slow:root", cwd=tmp_path) as served:
        page = Page(chromium, served.url)
        page.wait(DRAWN)
        first = "document.querySelector('#slowest tbody td')?.innerText"
        while not (slow := page.run(first)):
            with connected(served.address, 1):
                pass
        now = page.run("document.querySelector('#processes tbody').innerText")
        page.wait(f"document.querySelector('#processes tbody').innerText !== {now!r}")
        assert slow in page.run("document.querySelector('#slowest tbody').innerText")
        assert page.problems() == []


def test_it_is_a_table_without_a_script(chromium: Browser) -> None:
    with server() as served:
        page = Page(chromium, served.url)
        page.wait(DRAWN)
        with connected(served.address, 3):
            page.call("Emulation.setScriptExecutionDisabled", value=True)
            page.go(served.url)
            page.wait("document.querySelector('noscript p')?.innerText")
            assert number(page.run(below("processes", "Connections"))) >= 3
        assert page.run("getComputedStyle(document.getElementById('plots')).display") == "none"
        assert page.problems() == []


def test_it_tells_that_the_server_is_gone(chromium: Browser) -> None:
    with server() as served:
        page = Page(chromium, served.url)
        page.wait(DRAWN)
        assert page.problems() == []
    page.wait("document.getElementById('state').innerText.includes('no answer')")
    assert {each["entry"]["source"] for each in page.problems()} == {"network"}


def test_a_violation_would_be_seen(chromium: Browser) -> None:
    with server() as served:
        page = Page(chromium, served.url)
        page.wait(DRAWN)
        script = (
            "const s = document.createElement('script'); s.src = 'data:,1'; document.body.append(s)"
        )
        page.run(f"try {{ {script} }} catch {{}}")
        page.wait("document.readyState === 'complete'")
        assert "Trusted" in str(page.problems()) or "Content Security" in str(page.problems())
