"""What a user gets wrong about where to listen: one line on stderr, an exit code, no traceback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from reactorlib.app.main import COMMANDS, main
from reactorlib.testing.certificates import Authority
from tests.test_cli import COMMAND, run
from tests.test_cli_listen import ask, line_of, place_of, serving

# What each command that listens needs besides.
ARGUMENTS = {"finger": ["."], "forward": ["127.0.0.1:1"], "run": ["program.py:factory"]}
PROGRAM = """
from reactorlib.protocol import Factory
from reactorlib.protocols.wire import Discard

factory = Factory.forProtocol(Discard)

def start(reactor):
    raise AssertionError("it is not called")
"""

LISTENING = [command for command in COMMANDS if command not in ("http-audit", "doctor", "top")]


def told(result: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line of a command that has refused to start."""
    assert (result.returncode, result.stdout) == (code, ""), result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("reactorlib: ")
    return line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.mark.parametrize("command", LISTENING)
def test_every_command_listens_where_it_is_told(command: str, folder: Path) -> None:
    places = ["--listen", "unix:socket", "--listen", "tcp:0:interface=127.0.0.1"]
    with serving(command, *ARGUMENTS.get(command, []), *places, cwd=folder) as process:
        assert line_of(process).startswith(f"{command} on unix:socket (")
        assert place_of(process)[0] == "127.0.0.1"
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(folder / "socket"))
    assert sorted(os.listdir(folder)) in (["program.py"], ["__pycache__", "program.py"])


@pytest.mark.parametrize("command", LISTENING)
def test_every_command_names_its_flags_and_their_variables(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = capsys.readouterr().out
    for flag in ("listen", "ssl-keyfile", "ssl-certfile", "ssl-keyfile-password", "ssl-ca-certs"):
        assert f"--{flag} " in text
        assert f"[REACTORLIB_{flag.upper().replace('-', '_')}]" in " ".join(text.split())


def test_an_empty_variable_is_as_good_as_none() -> None:
    flags = ("PORT", "SSL_CERTFILE", "SSL_KEYFILE", "MAX_CONNECTIONS", "REACTOR", "LISTEN")
    env = {**os.environ, **{f"REACTORLIB_{flag}": "" for flag in flags}}
    with serving("echo", "--listen", "tcp:0:interface=127.0.0.1", env=env) as process:
        assert ask(place_of(process)) == b"hello"


def test_endpoints_are_for_factories(folder: Path) -> None:
    result = run("run", "program.py:start", "--listen", "tcp:0", cwd=folder)
    assert "program.py:start is a function" in told(result, 2)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PEM files, good ones and others."""
    folder = tmp_path_factory.mktemp("files")
    authority = Authority(folder)
    own, other = authority.issue("127.0.0.1"), authority.issue("127.0.0.1")
    shutil.copy(own.certificate, folder / "chain.pem")
    shutil.copy(own.privateKey, folder / "key.pem")
    shutil.copy(other.privateKey, folder / "other.pem")
    (folder / "text.pem").write_text("no certificate\n")
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    (folder / "broken.pem").write_text(f"{begin}\nbroken\n{end}\n")
    loaded = load_pem_private_key(own.privateKey.read_bytes(), None)
    locked = loaded.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    (folder / "locked.pem").write_bytes(locked)
    (folder / "unreadable.pem").write_bytes(own.privateKey.read_bytes())
    (folder / "unreadable.pem").chmod(0)
    return folder


class TestFiles:
    """TLS with files that are not what they should be."""

    @pytest.mark.parametrize(
        ("certificate", "key", "more", "text"),
        [
            ("nothing.pem", "key.pem", [], "nothing.pem: No such file"),
            ("chain.pem", "nothing.pem", [], "nothing.pem: No such file"),
            (".", "key.pem", [], ".: Is a directory"),
            ("text.pem", "key.pem", [], "text.pem has no certificate in PEM"),
            ("chain.pem", "text.pem", [], "text.pem has no private key in PEM"),
            ("broken.pem", "key.pem", [], "broken.pem with the key key.pem"),
            ("chain.pem", "other.pem", [], "other.pem does not belong to chain.pem"),
            ("chain.pem", "locked.pem", [], "locked.pem is encrypted: give its password"),
            ("chain.pem", "key.pem", ["--ssl-ca-certs", "text.pem"], "text.pem has no certificate"),
            ("chain.pem", "key.pem", ["--ssl-ca-certs", "broken.pem"], "broken.pem: "),
            ("chain.pem", "key.pem", ["--ssl-ca-certs", "none"], "none: No such file"),
        ],
    )
    def test_by_flags(
        self, files: Path, certificate: str, key: str, more: list[str], text: str
    ) -> None:
        flags = ["--ssl-certfile", certificate, "--ssl-keyfile", key, *more]
        assert text in told(run("echo", "--port", "0", *flags, cwd=files), 1)

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ("", "server.pem: No such file"),
            (":privateKey=text.pem", "text.pem has no certificate"),
            (":privateKey=locked.pem:certKey=chain.pem:password=wrong", "does not open locked.pem"),
        ],
    )
    def test_by_endpoint(self, files: Path, fields: str, text: str) -> None:
        assert text in told(run("echo", "--listen", f"tls:0{fields}", cwd=files), 1)

    def test_by_variable(self, files: Path) -> None:
        env = {"REACTORLIB_SSL_CERTFILE": "text.pem"}
        assert "text.pem has no certificate" in told(run("echo", env=env, cwd=files), 1)

    def test_a_key_that_may_not_be_read(self, files: Path) -> None:
        flags = ["--ssl-certfile", "chain.pem", "--ssl-keyfile", "unreadable.pem"]
        result = without_rights("echo", "--port", "0", *flags, cwd=files)
        assert "unreadable.pem: Permission denied" in told(result, 1)


def without_rights(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run by who may not read and write everything. Root may; so root gives the right up first."""
    rights = "-dac_override,-dac_read_search"
    drop = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]
    return subprocess.run(
        [*(drop if os.getuid() == 0 else []), *COMMAND, *args],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=cwd,
    )


class TestPaths:
    """UNIX sockets where there can be none."""

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("x" * 200, "too long"),
            ("no/folder/socket", "No such file"),
            ("file", "The path exists"),
            (".", "The path exists"),
            ("a\\:b/socket", "'a:b/socket'"),
        ],
    )
    @pytest.mark.parametrize("wrapper", ["", "haproxy:"])
    def test_a_path(self, tmp_path: Path, wrapper: str, path: str, text: str) -> None:
        (tmp_path / "file").write_text("kept")
        result = run("echo", "--listen", f"{wrapper}unix:{path}:lockfile=0", cwd=tmp_path)
        line = told(result, 1)
        assert line.startswith("reactorlib: Cannot listen on UNIX socket ")
        assert text in line
        assert (tmp_path / "file").read_text() == "kept"

    def test_a_folder_that_may_not_be_written(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o555)
        line = told(without_rights("echo", "--listen", "unix:socket", cwd=tmp_path), 1)
        assert "choose a directory the user can write to" in line

    @pytest.mark.parametrize("lock", ["0", "1"])
    def test_one_where_another_listens(self, tmp_path: Path, lock: str) -> None:
        with serving("echo", "--listen", "unix:socket", cwd=tmp_path) as process:
            line_of(process)
            result = run("echo", "--listen", f"unix:socket:lockfile={lock}", cwd=tmp_path)
            assert "stop the program that listens on it" in told(result, 1)
            place = str(tmp_path / "socket")
            assert ask(place, family=socket.AF_UNIX) == b"hello"


def test_standard_input_is_no_proxy() -> None:
    result = run("echo", "--listen", "haproxy:stdio")
    assert (result.returncode, result.stdout) == (1, "")
    warning, line = result.stderr.splitlines()
    assert "PipeAddress" in warning
    assert "made no protocol" in line


class TestDescriptors:
    @pytest.fixture
    def shared(self) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
        """Runs a command that has a listening socket as descriptor 3."""
        with socket.create_server(("127.0.0.1", 0)) as sock:

            def start(*args: str) -> subprocess.CompletedProcess[str]:
                return subprocess.run(
                    ["bash", "-c", f'exec 3<&{sock.fileno()}; exec "$@"', "-", *COMMAND, *args],
                    capture_output=True,
                    text=True,
                    timeout=30,
                    pass_fds=[sock.fileno()],
                )

            yield start

    def test_one_that_is_used_already(
        self, shared: Callable[..., subprocess.CompletedProcess[str]]
    ) -> None:
        assert "descriptor 3 is" in told(shared("echo", "--listen", "fd:3", "--listen", "fd:3"), 2)

    @pytest.mark.parametrize("number", ["0", "1", "2", "99"])
    def test_one_that_is_no_socket(
        self, shared: Callable[..., subprocess.CompletedProcess[str]], number: str
    ) -> None:
        text = told(shared("echo", "--listen", f"fd:{number}"), 2)
        assert f"descriptor {number} is not a" in text
