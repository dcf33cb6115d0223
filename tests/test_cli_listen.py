"""`--listen` and the flags of TLS: real processes, real sockets."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from reactorlib.backends import available
from reactorlib.protocols.proxyheader import ProxyHeader, encode_block
from reactorlib.testing.certificates import Authority
from tests.test_cli import COMMAND, PROGRAM, read_all, run

BOTH = ["--listen", "tcp:0:interface=127.0.0.1", "--listen", r"tcp6:0:interface=\:\:1"]


@contextmanager
def serving(*args: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A running command; it has to end well."""
    process = subprocess.Popen(
        [*COMMAND, *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    try:
        yield process
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors
    assert process.returncode == 0, errors


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdout.readline() or process.stderr.read()


def place_of(process: subprocess.Popen[str]) -> tuple[str, int]:
    """Where the next line says that it listens."""
    line = line_of(process)
    match = re.fullmatch(r"\w+ on \[?([0-9a-f.:]+?)\]?:(\d+) \(\w+\)\n", line)
    assert match, line
    return match[1], int(match[2])


def ask(address: Any, data: bytes = b"hello", family: int = socket.AF_INET) -> bytes:
    """What comes back from there."""
    with socket.socket(family) as peer:
        peer.settimeout(20)
        peer.connect(address)
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        return read_all(peer)


@pytest.mark.parametrize("backend", available())
def test_every_place_is_told_and_answers(backend: str) -> None:
    with serving("--reactor", backend, "echo", *BOTH) as process:
        four, six = place_of(process), place_of(process)
        assert (four[0], six[0]) == ("127.0.0.1", "::1")
        assert ask(four) == b"hello"
        assert ask(six, family=socket.AF_INET6) == b"hello"


def test_it_takes_the_place_of_port_and_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with serving("discard", "--port", port, "--host", "127.0.0.1", *BOTH[:2]) as process:
            assert place_of(process)[1] != int(port)


def test_the_variable_names_several_and_the_flag_replaces_them() -> None:
    env = {**os.environ, "REACTORLIB_LISTEN": f"{BOTH[1]} {BOTH[3]}"}
    with serving("echo", env=env) as process:
        assert [place_of(process)[0] for _ in range(2)] == ["127.0.0.1", "::1"]
    with serving("echo", "--listen", BOTH[3], env=env) as process:
        assert place_of(process)[0] == "::1"


def test_a_factory_is_served_there(tmp_path: Path) -> None:
    program = tmp_path / "shout.py"
    program.write_text(PROGRAM)
    with serving("run", f"{program}:factory", *BOTH[:2]) as process:
        assert ask(place_of(process)) == b"HELLO"


def test_forward(tmp_path: Path) -> None:
    with serving("echo", *BOTH[:2]) as echo:
        target = "{}:{}".format(*place_of(echo))
        with serving("forward", target, *BOTH) as process:
            assert ask(place_of(process)) == b"hello"
            assert ask(place_of(process), family=socket.AF_INET6) == b"hello"


def test_a_descriptor() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        place, number = sock.getsockname(), sock.fileno()
        with serving("echo", "--listen", f"fd:{number}", pass_fds=(number,)) as process:
            assert place_of(process) == place
            assert ask(place) == b"hello"


def test_behind_a_proxy() -> None:
    with serving("echo", "--listen", f"haproxy:{BOTH[1]}") as process:
        place = place_of(process)
        assert ask(place, encode_block(ProxyHeader()) + b"hello") == b"hello"
        with pytest.raises(ConnectionResetError):
            ask(place, b"hello")
        assert ask(place, b"PROXY UNKNOWN\r\nhello") == b"hello"


def test_standard_input_and_output() -> None:
    with serving("echo", "--listen", "stdio") as process:
        assert process.stdin is not None
        process.stdin.write("hello\n")
        process.stdin.flush()
        assert line_of(process) == "hello\n"


@pytest.mark.parametrize("backend", available())
@pytest.mark.parametrize(("command", "answer"), [("echo", "hello"), ("discard", "")])
def test_the_end_of_standard_input_is_that_of_the_program(
    backend: str, command: str, answer: str
) -> None:
    done = subprocess.run(
        [*COMMAND, "--reactor", backend, command, "--listen", "stdio"],
        input="hello",
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, answer, "")


def test_standard_input_is_one_place_of_several() -> None:
    with serving("echo", "--listen", "stdio", *BOTH[:2]) as process:
        place = place_of(process)
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        assert ask(place) == b"hello"


def test_a_plugin_s_endpoint_that_is_late(tmp_path: Path) -> None:
    """Its failure, found out when the loop runs, ends the program as an early one does."""
    (tmp_path / "late.py").write_text(
        "from reactorlib.defer import Deferred\n"
        "class Endpoint:\n"
        "    def __init__(self, reactor, outcome):\n"
        "        self.reactor, self.outcome = reactor, outcome\n"
        "    def listen(self, factory):\n"
        "        d = Deferred()\n"
        "        fire = d.errback if self.outcome == 'bad' else d.callback\n"
        "        value = OSError('no such place')\n"
        "        if self.outcome == 'good':\n"
        "            value = self.reactor.listenTCP(0, factory, interface='127.0.0.1')\n"
        "        if self.outcome == 'early':\n"
        "            d.errback(value)\n"
        "            return d\n"
        "        self.reactor.callLater(0, fire, value)\n"
        "        return d\n"
        "class Parser:\n"
        "    def parseStreamServer(self, reactor, outcome):\n"
        "        return Endpoint(reactor, outcome)\n"
        "parser = Parser()\n"
    )
    metadata = tmp_path / "late-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: late\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[reactorlib.endpoints]\nlate = late:parser\n")
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    for outcome in ("bad", "early"):
        result = run("echo", "--listen", f"late:{outcome}", env={"PYTHONPATH": paths})
        assert result.returncode == 1
        assert result.stderr == "reactorlib: no such place\n"
    with serving(
        "echo", "--listen", "late:good", env={**os.environ, "PYTHONPATH": paths}
    ) as process:
        assert ask(place_of(process)) == b"hello"


MISTAKES = [
    (["echo", "--listen", "tcp:http"], 2, "'tcp:http' is not an endpoint"),
    (["echo", "--listen", "nothing:1"], 2, "There are: tcp,"),
    (["echo", "--listen", "tcp:0:port=1"], 2, "multiple values"),
    (["echo", "--listen", "systemd:0"], 2, "LISTEN_FDS"),
    (["echo", "--listen", "tls:0:privateKey=/no/such.pem"], 1, "/no/such.pem"),
    (["echo", *BOTH, "--ssl-certfile", "a.pem"], 2, "write tls:PORT"),
    (["echo", "--ssl-keyfile", "a.pem"], 2, "--ssl-certfile"),
    (["echo", "--ssl-ca-certs", "a.pem"], 2, "--ssl-certfile"),
    (["echo", "--ssl-certfile", "/no/such.pem"], 1, "/no/such.pem: No such file"),
    (["forward", "1", "2", *BOTH], 2, "not both"),
    (["forward", "2"], 2, "LISTEN TARGET"),
    (["forward", *BOTH], 2, "TARGET"),
    (["echo", "--listen", "unix:/no/such/folder/a"], 1, "/no/such/folder/a"),
    (["echo", "--listen", "tcp:0:interface=192.0.2.1"], 1, "192.0.2.1"),
]


@pytest.mark.parametrize(("args", "code", "text"), MISTAKES, ids=[" ".join(m[0]) for m in MISTAKES])
def test_a_mistake_is_told_on_stderr_without_a_traceback(
    args: list[str], code: int, text: str
) -> None:
    result = run(*args)
    assert (result.returncode, result.stdout) == (code, ""), result.stderr
    assert text in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class TestTLS:
    def ask(self, place: tuple[str, int], authority: Authority, own: Any = None) -> bytes:
        context = ssl.create_default_context(cafile=authority.root)
        if own is not None:
            context.load_cert_chain(own.certificate, own.privateKey)
        with (
            socket.create_connection(place, timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as peer,
        ):
            peer.sendall(b"hello")
            return peer.recv(10)

    def test_two_files(self, authority: Authority) -> None:
        own = authority.issue("127.0.0.1")
        files = ["--ssl-keyfile", own.privateKey, "--ssl-certfile", own.certificate]
        place = ["--port", "0", "--host", "127.0.0.1"]
        with serving("echo", *place, *map(str, files)) as process:
            assert self.ask(place_of(process), authority) == b"hello"

    def test_forward(self, authority: Authority) -> None:
        own = authority.issue("127.0.0.1")
        files = ["--ssl-keyfile", own.privateKey, "--ssl-certfile", own.certificate]
        with serving("echo", *BOTH[:2]) as echo:
            target = "{}:{}".format(*place_of(echo))
            with serving("forward", "127.0.0.1:0", target, *map(str, files)) as process:
                assert self.ask(place_of(process), authority) == b"hello"

    def test_one_file_by_its_variable(self, authority: Authority, tmp_path: Path) -> None:
        own = authority.issue("127.0.0.1")
        both = tmp_path / "both.pem"
        both.write_bytes(own.privateKey.read_bytes() + own.certificate.read_bytes())
        env = {**os.environ, "REACTORLIB_SSL_CERTFILE": str(both)}
        with serving("echo", "--port", "0", env=env) as process:
            port = place_of(process)[1]
            assert self.ask(("127.0.0.1", port), authority) == b"hello"

    def test_a_password_that_has_to_be_quoted(self, authority: Authority, tmp_path: Path) -> None:
        own = authority.issue("127.0.0.1")
        password, key = r"a:b=c\d", tmp_path / "key:1.pem"
        loaded = load_pem_private_key(own.privateKey.read_bytes(), None)
        encryption = BestAvailableEncryption(password.encode())
        key.write_bytes(loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        files = ["--ssl-keyfile", str(key), "--ssl-certfile", str(own.certificate)]
        place = ["--port", "0", "--host", "127.0.0.1"]
        with serving("echo", *place, *files, "--ssl-keyfile-password", password) as process:
            assert self.ask(place_of(process), authority) == b"hello"
        wrong = run("echo", *place, *files, "--ssl-keyfile-password", "secret")
        assert wrong.returncode == 1
        assert str(key) in wrong.stderr
        assert "secret" not in wrong.stderr

    def test_certificates_of_clients(self, authority: Authority) -> None:
        own = authority.issue("127.0.0.1")
        files = ["--ssl-keyfile", own.privateKey, "--ssl-certfile", own.certificate]
        place = ["--port", "0", "--host", "127.0.0.1", "--ssl-ca-certs", str(authority.root)]
        with serving("echo", *place, *map(str, files)) as process:
            address = place_of(process)
            assert self.ask(address, authority, authority.issue("client.example")) == b"hello"
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                assert self.ask(address, authority)
