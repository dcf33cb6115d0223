"""Endpoints on UNIX sockets, with programs not written here, too."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reactorlib import error
from reactorlib.address import IPv4Address, UNIXAddress
from reactorlib.endpoints import (
    UNIXClientEndpoint,
    UNIXServerEndpoint,
    clientFromString,
    quoteStringArgument,
    serverFromString,
)
from reactorlib.protocols.haproxy import proxyClientEndpoint
from reactorlib.testing.contract.tcp_peers import Net, Recorder, RecordingFactory, echo
from tests.deferreds import results_of
from tests.on_backends import OnEveryBackend
from tests.test_cli_listen import ask, line_of, serving

CLIENT = IPv4Address("TCP", "192.0.2.1", 56324)
SERVER = IPv4Address("TCP", "203.0.113.9", 443)


class TestUNIX(OnEveryBackend):
    def listen(self, net: Net, endpoint: Any) -> tuple[Any, RecordingFactory]:
        factory = RecordingFactory(lambda: Recorder(data=echo))
        port = self.run_until(net.reactor, endpoint.listen(factory))
        net.ports.append(port)
        return port, factory

    def talk(self, net: Net, endpoint: Any, *others: Any) -> None:
        protocol = self.run_until(net.reactor, endpoint.connect(RecordingFactory()))
        protocol.transport.write(b"hello")
        net.turn_until(lambda: protocol.received == b"hello")
        protocol.transport.loseConnection()
        net.until_lost(protocol)

    def test_objects(self, net: Net, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")
        port, server = self.listen(net, UNIXServerEndpoint(net.reactor, path, mode=0o600))
        assert port.getHost() == UNIXAddress(path)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        self.talk(net, UNIXClientEndpoint(net.reactor, path))
        net.until_lost(*server.protocols)

    def test_strings(self, net: Net, tmp_path: Path) -> None:
        path = quoteStringArgument(str(tmp_path / "a:b=c"))
        _, server = self.listen(net, serverFromString(net.reactor, f"unix:{path}:mode=660"))
        self.talk(net, clientFromString(net.reactor, f"unix:{path}:lockfile=1"))
        net.until_lost(*server.protocols)

    def test_abstract_names(self, net: Net, tmp_path: Path) -> None:
        name = f"@{tmp_path}"
        port, server = self.listen(net, serverFromString(net.reactor, f"unix:{name}"))
        assert port.getHost() == UNIXAddress(b"\0" + os.fsencode(tmp_path))
        self.talk(net, clientFromString(net.reactor, f"unix:{name}"))
        net.until_lost(*server.protocols)

    def test_behind_a_proxy(self, net: Net, tmp_path: Path) -> None:
        path = tmp_path / "socket"
        _, server = self.listen(net, serverFromString(net.reactor, f"haproxy:unix:{path}"))
        target = UNIXClientEndpoint(net.reactor, str(path))
        self.talk(net, proxyClientEndpoint(target, 2, CLIENT, SERVER))
        assert server.addresses == [CLIENT]
        assert server.protocols[0].transport.getHost() == SERVER
        self.talk(net, proxyClientEndpoint(target))
        net.until_lost(*server.protocols)
        assert server.addresses[1] == UNIXAddress(None)

    def test_nobody_is_there(self, net: Net, tmp_path: Path) -> None:
        target = UNIXClientEndpoint(net.reactor, str(tmp_path / "nothing"))
        with pytest.raises(error.ConnectError, match="ENOENT"):
            self.run_until(net.reactor, target.connect(RecordingFactory()))

    @pytest.mark.parametrize("path", ["/no/such/folder/socket", "/tmp/" + "x" * 200])
    def test_where_one_cannot_listen(self, net: Net, path: str) -> None:
        with pytest.raises(error.CannotListenError, match=path):
            self.run_until(
                net.reactor, UNIXServerEndpoint(net.reactor, path).listen(RecordingFactory())
            )

    def test_cancelling(self, net: Net, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")
        self.listen(net, UNIXServerEndpoint(net.reactor, path))
        connecting = UNIXClientEndpoint(net.reactor, path).connect(RecordingFactory())
        results = results_of(connecting)
        connecting.cancel()
        assert results[0].address == UNIXAddress(path)
        net.turn()

    def test_socat_listens(self, net: Net, tmp_path: Path) -> None:
        path = tmp_path / "socket"
        process = subprocess.Popen(
            ["socat", "-d", "-d", f"UNIX-LISTEN:{path}", "EXEC:tr a-z A-Z"], stderr=subprocess.PIPE
        )
        try:
            assert process.stderr is not None
            assert b"listening on" in process.stderr.readline()
            connecting = clientFromString(net.reactor, f"unix:{path}").connect(RecordingFactory())
            protocol = self.run_until(net.reactor, connecting)
            protocol.transport.write(b"hello")
            protocol.transport.loseWriteConnection()
            net.until_lost(protocol)
            assert protocol.received == b"HELLO"
        finally:
            process.kill()
            process.communicate()


def test_socat_and_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    listen = ["--listen", f"unix:{path}", "--listen", f"unix:@{path}"]
    with serving("echo", *listen) as process:
        assert line_of(process).startswith(f"echo on unix:{path} (")
        assert line_of(process).startswith(f"echo on unix:@{path} (")
        assert ask(str(path), family=socket.AF_UNIX) == b"hello"
        for place in (f"UNIX-CONNECT:{path}", f"ABSTRACT-CONNECT:{path}"):
            done = subprocess.run(
                ["socat", "-t", "10", "-", place], input=b"hello", capture_output=True, timeout=30
            )
            assert (done.returncode, done.stdout) == (0, b"hello")
    assert not path.exists()
