"""`reactorlib web` and `reactorlib http-audit`: real processes, real sockets."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from html import unescape
from html.parser import HTMLParser
from http.client import HTTPConnection
from pathlib import Path

import pytest

from reactorlib.app.welcome import PROGRAM, page, path_of
from reactorlib.backends import available
from reactorlib.protocols.http.corpus import REQUESTS
from reactorlib.testing.certificates import Authority
from tests.test_cli import COMMAND, run, serving

WEB = ["web", "--port", "0", "--host", "127.0.0.1"]
VOID = {"meta", "link", "br"}
LINE = b"GET / HTTP/1.1\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(*WEB) as (_, port, _line):
        yield port


def asked(port: int, method: str, target: str) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, target)
    response = connection.getresponse()
    answer = response.status, dict(response.getheaders()), response.read()
    connection.close()
    return answer


class Page(HTMLParser):
    """Fails where a tag is not closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert "&" not in data


class TestWeb:
    def test_the_page(self, port: int) -> None:
        status, headers, body = asked(port, "GET", "/")
        assert status == 200
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert int(headers["Content-Length"]) == len(body)
        text = body.decode()
        assert text.startswith("<!DOCTYPE html>\n<html lang=")
        tags = Page(text).seen
        assert [tags.count(tag) for tag in ("html", "head", "title", "body", "h1")] == [1] * 5
        assert "It works" in text
        assert PROGRAM in unescape(text)

    def test_it_names_the_backend(self) -> None:
        assert b"on &lt;poll&gt;." in page("<poll>")

    @pytest.mark.parametrize("backend", available())
    def test_each_backend(self, backend: str) -> None:
        with serving(*WEB, "--reactor", backend) as (_, port, line):
            assert line == f"web on 127.0.0.1:{port} ({backend})\n"
            assert f"on {backend}." in asked(port, "GET", "/")[2].decode()

    def test_head(self, port: int) -> None:
        _, headers, body = asked(port, "HEAD", "/")
        assert body == b""
        assert headers["Content-Length"] == asked(port, "GET", "/")[1]["Content-Length"]

    @pytest.mark.parametrize(
        ("method", "target", "status"),
        [
            ("GET", "/?query", 200),
            ("GET", "http://example.com", 200),
            ("GET", "http://example.com/?a", 200),
            ("GET", "/other", 404),
            ("GET", "//[", 404),
            ("GET", "/%ff", 404),
            ("HEAD", "/other", 404),
            ("POST", "/", 405),
            ("OPTIONS", "*", 405),
        ],
    )
    def test_others(self, port: int, method: str, target: str, status: int) -> None:
        answered, headers, body = asked(port, method, target)
        assert answered == status
        assert ("Allow" in headers) == (status == 405)
        if body:
            Page(body.decode())

    @pytest.mark.parametrize(
        ("uri", "path"), [(b"*", b"/"), (b"a:1", b"/"), (b"http://a//b?c", b"//b"), (b"/a", b"/a")]
    )
    def test_paths(self, uri: bytes, path: bytes) -> None:
        assert path_of(uri) == path

    def test_its_program_runs(self, tmp_path: Path) -> None:
        (tmp_path / "hello.py").write_text(PROGRAM)
        flags = ["--port", "0", "--host", "127.0.0.1"]
        with serving("run", "hello.py:factory", *flags, cwd=tmp_path) as (_, port, _line):
            assert asked(port, "GET", "/any")[2] == b"Hello, World!\n"

    def test_tls(self, tmp_path: Path) -> None:
        own = Authority(tmp_path).issue("127.0.0.1")
        flags = ["--ssl-certfile", str(own.certificate), "--ssl-keyfile", str(own.privateKey)]
        context = ssl.create_default_context(cafile=tmp_path / "root.pem")
        with (
            serving(*WEB, *flags) as (_, port, _line),
            socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as peer,
        ):
            peer.sendall(LINE + b"Host: a\r\nConnection: close\r\n\r\n")
            assert peer.recv(15) == b"HTTP/1.1 200 OK"

    def test_more_connections_than_a_factory_has_by_itself(self) -> None:
        with serving(*WEB, "--max-connections", "700") as (_, port, _line):
            peers = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(650)]
            peers[-1].sendall(LINE + b"Host: a\r\n\r\n")
            assert peers[-1].recv(15) == b"HTTP/1.1 200 OK"
            for peer in peers:
                peer.close()


@contextmanager
def wrong_server(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """A place where each connection is answered so, one after the other."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:

        def serve() -> None:
            while True:
                peer, _ = listener.accept()
                with peer, suppress(ConnectionError):
                    if peer.recv(100_000) == b"quit":
                        return
                    answer(peer)

        thread = threading.Thread(target=serve)
        thread.start()
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        try:
            yield place
        finally:
            with socket.create_connection(listener.getsockname()) as last:
                last.sendall(b"quit")
            thread.join(20)


def lax(peer: socket.socket) -> None:
    """Answers once, whatever comes."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def deaf(peer: socket.socket) -> None:
    """Answers nothing, and reads to the end."""
    while peer.recv(100_000):
        """More."""


class TestAudit:
    def test_nothing_is_found_with_us(self, port: int) -> None:
        result = run("http-audit", f"127.0.0.1:{port}")
        assert result.returncode == 0, result.stdout
        place = f"127.0.0.1:{port}"
        told = (
            f"{place} answers a plain request with 200.\n\n{len(REQUESTS)} cases: nothing found.\n"
        )
        assert result.stdout == told

    def test_json(self, port: int) -> None:
        result = run("http-audit", str(port), "--json")
        assert json.loads(result.stdout) == {
            "target": f"127.0.0.1:{port}",
            "plain": 200,
            "cases": len(REQUESTS),
            "findings": [],
        }

    def test_findings(self) -> None:
        with wrong_server(lax) as place:
            table = run("http-audit", place)
            report = run("http-audit", place, "--json")
        assert (table.returncode, table.stderr) == (1, "")
        _, _, titles, *rows, _, summary = table.stdout.splitlines()
        assert titles.split() == ["FOUND", "IDENTIFIER", "CAME", "MEANING"]
        assert re.fullmatch(rf"{len(REQUESTS)} cases: \d+ answered\.", summary)
        assert len(rows) == 2 * int(summary.split()[2])
        assert all(row.startswith("answered  ") for row in rows[::2])
        column = titles.index("MEANING")
        assert all(row[column:].startswith("takes what must be refused (") for row in rows[::2])
        assert all(row.startswith("  sent: ") and row.isprintable() for row in rows[1::2])
        assert max(map(len, rows[1::2])) < 500
        assert report.returncode == 1
        findings = json.loads(report.stdout)["findings"]
        assert len(findings) == len(rows) / 2
        sent = {finding["sent"].encode().decode("unicode_escape") for finding in findings}
        assert sent <= {case.data.decode("latin-1") for case in REQUESTS}
        (one,) = (f for f in findings if f["attempt"] == "a length, then a coding")
        assert one["statuses"] == [200]
        assert one["identifier"] == "Twisted CVE-2020-10109"

    def test_a_server_that_does_not_answer(self) -> None:
        with wrong_server(deaf) as place:
            result = run("http-audit", place, "--timeout", "0.2")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == (
            f"reactorlib: {place} does not answer a plain request of HTTP/1.1 (still open)\n"
        )

    def test_a_server_that_is_not_there(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            place = f"127.0.0.1:{listener.getsockname()[1]}"
        result = run("http-audit", place)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith(f"reactorlib: cannot connect to {place}: ")
        assert "Traceback" not in result.stderr

    @pytest.mark.parametrize("place", ["a..b:80", "[::1]:1"])
    def test_a_place_where_there_is_none(self, place: str) -> None:
        result = run("http-audit", place)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith(f"reactorlib: cannot connect to {place}: ")
        assert len(result.stderr.splitlines()) == 1

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["example.com"],
            ["127.0.0.1:0"],
            ["::1:80"],
            ["127.0.0.1:1", "--timeout", "0"],
            ["127.0.0.1:1", "--timeout", "nan"],
            ["127.0.0.1:1", "--timeout", "soon"],
        ],
    )
    def test_wrong_usage(self, arguments: list[str]) -> None:
        result = run("http-audit", *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert "Traceback" not in result.stderr

    def test_control_c(self) -> None:
        asked = threading.Event()

        def tell(peer: socket.socket) -> None:
            asked.set()
            deaf(peer)

        with wrong_server(tell) as place:
            process = subprocess.Popen(
                [*COMMAND, "http-audit", place, "--timeout", "60"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert asked.wait(20)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=20)
        assert process.returncode == 130
        assert output == ""
        assert "Traceback" not in errors
