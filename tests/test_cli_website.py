"""What `reactorlib web` serves, its limits and its access log: real processes, real sockets."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.test_cli import COMMAND, read_all, run
from tests.test_cli_listen import line_of, place_of, serving

PROGRAM = """\
from reactorlib.protocols.http.resource import Resource


class Hello(Resource):
    isLeaf = True

    def render_GET(self, request):
        return b"hello " + request.getClientAddress().host.encode()


async def asynchronous(scope, receive, send):
    pass


class Callable:
    async def __call__(self, scope, receive, send):
        pass


hello = Hello()
instance = Callable()
nothing = object()
"""
WEB = ["web", "--listen", "tcp:0:interface=127.0.0.1"]
HELLO = [*WEB, "--resource", "program.py:hello"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def get(place: Any, path: str = "/", **headers: str) -> tuple[int, bytes]:
    connection = HTTPConnection(*place, timeout=20)
    connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def test_a_resource() -> None:
    with serving(*HELLO) as process:
        assert get(place_of(process), "/any/place") == (200, b"hello 127.0.0.1")


def test_workers_serve_it_and_log() -> None:
    with serving(*HELLO, "--workers", "2") as process:
        place = place_of(process)
        assert get(place) == (200, b"hello 127.0.0.1")
        assert '"GET / HTTP/1.1" 200 15 ' in line_of(process)


def test_a_unix_socket(folder: Path) -> None:
    path = str(folder / "s")
    with serving("web", "--resource", "program.py:hello", "--uds", path) as process:
        assert line_of(process).startswith(f"web on unix:{path} ")
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(path)
            peer.sendall(b"OPTIONS / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert read_all(peer).startswith(b"HTTP/1.1 204 ")
        assert line_of(process).startswith("- - - [")


def test_a_descriptor() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        number = sock.fileno()
        with serving("web", "--fd", str(number), pass_fds=(number,)) as process:
            assert get(place_of(process))[0] == 200


def test_a_directory_is_listed() -> None:
    with serving(*WEB, ".") as process:
        place = place_of(process)
        status, page = get(place)
        assert status == 200
        assert b"program.py" in page
        assert get(place, "/program.py") == (200, PROGRAM.encode())
        assert get(place, "/../program.py")[0] == 404
        assert get(place, "/none")[0] == 404


def test_one_file(folder: Path) -> None:
    with serving(*WEB, str(folder / "program.py")) as process:
        assert get(place_of(process)) == (200, PROGRAM.encode())


def test_the_size_of_a_file_is_logged(folder: Path) -> None:
    (folder / "large").write_bytes(bytes(3_000_000))
    with serving(*WEB, ".") as process:
        assert len(get(place_of(process), "/large")[1]) == 3_000_000
        assert '"GET /large HTTP/1.1" 200 3000000 ' in line_of(process)


def test_another_server() -> None:
    with serving(*HELLO, "--proxy-headers") as back:
        url = "http://{}:{}".format(*place_of(back))
        with serving(*WEB, "--proxy", url) as process:
            place = place_of(process)
            assert get(place, "/a", X_Forwarded_For="192.0.2.7") == (200, b"hello 127.0.0.1")
            assert '"GET /a HTTP/1.1" 200 15 ' in line_of(process)
        believing = ["--proxy", url, "--proxy-headers"]
        with serving(*WEB, *believing) as process:
            place = place_of(process)
            assert get(place, X_Forwarded_For="192.0.2.7") == (200, b"hello 192.0.2.7")


def test_another_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = "http://{}:{}".format(*taken.getsockname())
    with serving(*WEB, "--proxy", url) as process:
        assert get(place_of(process))[0] == 502


class TestLog:
    def test_combined(self) -> None:
        with serving(*HELLO) as process:
            place = place_of(process)
            get(place, "/a?b", User_Agent='x"\\', Referer="http://r/")
            line = line_of(process)
        assert re.fullmatch(
            r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /a\?b HTTP/1\.1" '
            r'200 15 "http://r/" "x\\"\\\\" \d+\.\d{6}\n',
            line,
        )

    def test_json_by_its_variable(self) -> None:
        env = {**os.environ, "REACTORLIB_ACCESS_LOG_FORMAT": "json"}
        with serving(*HELLO, env=env) as process:
            get(place_of(process), "/a")
            told = json.loads(line_of(process))
        assert (told["client"], told["uri"], told["status"], told["size"]) == (
            *("127.0.0.1", "/a", 200, 15),
        )

    def test_sequences_of_a_terminal_never_get_there(self) -> None:
        with serving(*WEB) as process:
            place = place_of(process)
            for data in (b"GET /\x1b[2J HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nUser-Agent: \x9b2J\r\n"):
                with socket.create_connection(place, timeout=20) as peer:
                    peer.sendall(data + b"Host: x\r\nConnection: close\r\n\r\n")
                    read_all(peer)
                line = line_of(process)
                assert line[:-1].isprintable()
                assert line.isascii()

    def test_an_answer_that_is_cut_off(self, folder: Path) -> None:
        (folder / "big.py").write_text(
            "from reactorlib.protocols.http.resource import Resource\n"
            "class Big(Resource):\n"
            "    isLeaf = True\n"
            "    async def render_GET(self, request):\n"
            "        for number in range(1000):\n"
            "            yield bytes(50_000)\n"
            "big = Big()\n"
        )
        log = ["--access-log-format", "json"]
        with serving(*WEB, "--resource", "big.py:big", *log) as process:
            with socket.create_connection(place_of(process), timeout=20) as peer:
                peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                peer.recv(1000)
            told = json.loads(line_of(process))
        assert (told["status"], told["complete"]) == (200, False)
        assert 0 < told["size"] < 50_000_000

    @pytest.mark.parametrize("off", ["--no-access-log", "REACTORLIB_ACCESS_LOG"])
    def test_off(self, off: str) -> None:
        env = {**os.environ, "REACTORLIB_ACCESS_LOG": "off" if off.isupper() else ""}
        with serving(*WEB, *([] if off.isupper() else [off]), env=env) as process:
            get(place_of(process))
            process.terminate()
            assert process.stdout is not None
            assert process.stdout.read() == ""

    def test_nobody_reads_it(self) -> None:
        with serving(*HELLO) as process:
            place = place_of(process)
            assert process.stdout is not None
            process.stdout.close()
            process.stdout = None
            for _ in range(3):
                assert get(place)[0] == 200


class TestLimits:
    def test_connections(self) -> None:
        with serving(*WEB, "--limit-concurrency", "1") as process:
            place = place_of(process)
            with socket.create_connection(place, timeout=20) as peer:
                peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert peer.recv(12) == b"HTTP/1.1 200"
                assert get(place)[0] == 503

    @pytest.mark.parametrize("served", [[], ["--resource", "program.py:hello"]])
    def test_requests(self, served: list[str]) -> None:
        with serving(*WEB, *served, "--limit-max-requests", "2") as process:
            place = place_of(process)
            assert [get(place)[0] for _ in range(2)] == [200, 200]
            assert process.wait(20) == 0

    def test_time_between_requests(self) -> None:
        with (
            serving(*WEB, "--timeout-keep-alive", "0.1") as process,
            socket.create_connection(place_of(process), timeout=20) as peer,
        ):
            assert read_all(peer) == b""


class TestProxies:
    def test_they_are_believed(self) -> None:
        with serving(*HELLO, "--proxy-headers") as process:
            place = place_of(process)
            assert get(place, X_Forwarded_For="192.0.2.7")[1] == b"hello 192.0.2.7"
            assert line_of(process).startswith("192.0.2.7 - - ")

    @pytest.mark.parametrize("flags", [[], ["--proxy-headers", "--forwarded-allow-ips", "::1"]])
    def test_they_are_not(self, flags: list[str]) -> None:
        with serving(*HELLO, *flags) as process:
            place = place_of(process)
            assert get(place, X_Forwarded_For="192.0.2.7")[1] == b"hello 127.0.0.1"


class TestConfiguration:
    def test_values_and_where_they_come_from(self, folder: Path) -> None:
        (folder / "env").write_text(
            "REACTORLIB_BACKLOG=7\nREACTORLIB_PORT=7\nREACTORLIB_SSL_KEYFILE_PASSWORD=secret\n"
        )
        env = {"REACTORLIB_PORT": "8", "REACTORLIB_LISTEN": "tcp:1 tcp:2"}
        flags = ["--env-file", "env", "--no-access-log", "--workers=3", "--host", "\x1b"]
        result = run("--log-level", "error", "web", ".", "--print-config", *flags, env=env)
        assert (result.returncode, result.stderr) == (0, "")
        lines = result.stdout.splitlines()
        for line in (
            "PATH = .",
            "--access-log = off  (--no-access-log)",
            "--backlog = 7  (REACTORLIB_BACKLOG)",
            "--host = '\\x1b'  (--host)",
            "--listen = tcp:1 tcp:2  (REACTORLIB_LISTEN)",
            "--log-level = error  (--log-level)",
            "--port = 8  (REACTORLIB_PORT)",
            "--ssl-keyfile-password = (hidden)  (REACTORLIB_SSL_KEYFILE_PASSWORD)",
            "--timeout-keep-alive = 15.0  (default)",
            "--workers = 3  (--workers)",
            "--wsgi = -  (default)",
        ):
            assert line in lines

    @pytest.mark.parametrize(
        "served", [[], ["--resource", "program.py:hello"], ["--proxy", "http://a/b"], ["."]]
    )
    def test_checked_and_not_served(self, served: list[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            place = ["--host", "127.0.0.1", "--port", str(taken.getsockname()[1])]
            result = run("web", *place, *served, "--check-config", "--workers", "2")
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")

    def test_a_program_s_own_fault_is_shown_once(self, folder: Path) -> None:
        (folder / "bad.py").write_text("1 / 0\n")
        result = run("web", "--wsgi", "bad.py:app", "--check-config")
        assert result.returncode == 1
        assert result.stderr.count("Traceback") == 1
        assert "bad.py" in result.stderr


MISTAKES = [
    (["/no/such/place"], 1, "there is no file or directory /no/such/place"),
    (["/dev/null"], 1, "/dev/null is neither a file nor a directory"),
    ([".", "--wsgi", "a:b"], 2, "PATH and --wsgi: one of these at a time"),
    (["--asgi", "a:b", "--proxy", "x"], 2, "--asgi and --proxy: one of these at a time"),
    (["--wsgi", "no_such:app"], 1, "there is no module no_such"),
    (["--wsgi", "no_such.py:app"], 1, "there is no file no_such.py"),
    (["--wsgi", "program.py:app"], 1, "program.py has no attribute 'app'"),
    (["--wsgi", ".:app"], 1, "there is no module .: give its whole name"),
    (["--wsgi", "program"], 2, "write FILE_OR_MODULE:ATTRIBUTE"),
    (["--wsgi", "program.py:nothing"], 1, "is no WSGI application"),
    (["--wsgi", "program.py:Hello"], 1, "is no WSGI application"),
    (["--wsgi", "program.py:asynchronous"], 1, "that is for --asgi"),
    (["--wsgi", "program.py:instance"], 1, "that is for --asgi"),
    (["--asgi", "no_such:app"], 1, "there is no module no_such"),
    (["--asgi", "program.py:app"], 1, "program.py has no attribute 'app'"),
    (["--asgi", "program.py:nothing"], 1, "is no ASGI application"),
    (["--asgi", "wsgiref.simple_server:demo_app"], 1, "is no ASGI application"),
    (["--resource", "no_such.py:site"], 1, "there is no file no_such.py"),
    (["--resource", "program.py:site"], 1, "program.py has no attribute 'site'"),
    (["--resource", "program.py:Hello"], 1, "is a class: name an instance of it"),
    (["--resource", "program.py:nothing"], 1, "is no resource: it has no isLeaf"),
    (["--proxy", "nowhere"], 2, "--proxy: 'nowhere' is not scheme://host/path"),
    (["--proxy", "ftp://a/"], 2, "--proxy: "),
    (["--proxy", "http://a:port/"], 2, "--proxy: "),
    (["--root-path", "/x"], 2, "--root-path is for --wsgi and --asgi"),
    (["--wsgi", "program.py:app", "--root-path", "x"], 2, "--root-path x does not begin with /"),
    (["--forwarded-allow-ips", "here"], 2, "--forwarded-allow-ips: "),
    (["--uds", "a", "--fd", "3"], 2, "--listen, --uds and --fd: one of these at a time"),
    (["--fd", "3", "--listen", "tcp:0"], 2, "--listen, --uds and --fd"),
    (["--fd", "three"], 2, "--fd"),
    (["--fd", "999"], 2, "999"),
    (["--backlog", "0"], 2, "--backlog"),
    (["--limit-concurrency", "0"], 2, "--limit-concurrency"),
    (["--limit-max-requests", "-1"], 2, "--limit-max-requests"),
    (["--timeout-keep-alive", "0"], 2, "more than 0"),
    (["--timeout-graceful-shutdown", "soon"], 2, "soon"),
    (["--proxy-headers", "--forwarded-allow-ips", "here"], 2, "'here'"),
    (["--access-log-format", "xml"], 2, "combined"),
    (["--log-level", "loud"], 2, "critical"),
    (["--env-file", "/no/such"], 1, "cannot read /no/such: No such file"),
    (["--env-file", "program.py"], 1, "program.py, line 1: write NAME=VALUE"),
    (["--ssl-certfile", "/no/such.pem"], 1, "/no/such.pem"),
]


@pytest.mark.parametrize(("args", "code", "text"), MISTAKES, ids=[" ".join(m[0]) for m in MISTAKES])
def test_a_mistake_is_one_line(args: list[str], code: int, text: str) -> None:
    result = run("web", *args, "--check-config")
    assert (result.returncode, result.stdout) == (code, ""), result.stderr
    assert text in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_mistakes_are_found_without_being_looked_for() -> None:
    result = subprocess.run(
        [*COMMAND, *WEB, "--resource", "program.py:nothing"], capture_output=True, timeout=20
    )
    assert (result.returncode, result.stdout) == (1, b"")
