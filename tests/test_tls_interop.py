"""TLS with programs that were not written here: `openssl s_client`, `s_server`, and curl."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reactorlib import error
from reactorlib.protocol import Factory, Protocol
from reactorlib.testing.contract.tcp_peers import LOOPBACK, Recorder, RecordingFactory, echo
from reactorlib.testing.contract.tls_handshake import Listener
from reactorlib.testing.contract.tls_peers import NAME, Settings, TLSContractBase, TLSNet
from reactorlib.threads import deferToThreadPool
from tests.on_backends import on_every_backend

PATIENCE = 30
BODY = bytes(range(256)) * 8000


class Line(Recorder):
    """Sends the first line back and leaves."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if self.received.endswith(b"\n"):
            self.transport.write(bytes(self.received))
            self.transport.loseConnection()


class Web(Protocol):
    """Answers GET and POST: as long as the answer says, or until the end."""

    def connectionMade(self) -> None:
        self.request = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self.request += data
        head, found, body = bytes(self.request).partition(b"\r\n\r\n")
        if found and len(body) == self.length(head):
            answer = body or BODY
            if b"/until-the-end" in head:
                self.transport.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + answer)
                self.transport.loseConnection()
            else:
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer))
                self.transport.write(answer)
                self.request.clear()

    def length(self, head: bytes) -> int:
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                return int(value)
        return 0


class Interop(TLSContractBase):
    """Our ends of it run in the test's own thread, the programs beside."""

    def run_program(self, net: TLSNet, *command: object, given: bytes = b"") -> Any:
        """A program from its start to its end; what it said, and how it ended."""
        deferred = deferToThreadPool(
            net.reactor,
            net.reactor.getThreadPool(),
            subprocess.run,
            [str(word) for word in command],
            input=given,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        return self.run_until(net.reactor, deferred)

    # openssl s_client

    def s_client(self, net: TLSNet, port: Any, *more: object, given: bytes = b"hello\n") -> Any:
        address = f"{LOOPBACK}:{port.getHost().port}"
        trusting = ("-CAfile", net.settings.authority.root, "-verify_return_error")
        command = ("openssl", "s_client", "-connect", address, *trusting)
        return self.run_program(net, *command, "-quiet", *more, given=given)

    @pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
    def test_a_client(self, net: TLSNet, version: str) -> None:
        port = net.listen(Line)
        line = b"x" * 300_000 + b"\n"
        ended = self.s_client(net, port, version, "-verify_hostname", NAME, given=line)
        assert ended.stdout == line
        assert ended.returncode == 0, ended.stderr
        assert b"unexpected eof" not in ended.stderr
        net.until_lost(port.factory.protocols[0])
        assert port.factory.protocols[0].reason.check(error.ConnectionDone)

    @pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
    def test_a_client_that_is_too_old(self, net: TLSNet, version: str) -> None:
        port = net.listen(Line)
        ended = self.s_client(net, port, version, "-cipher", "ALL:@SECLEVEL=0")
        assert ended.returncode != 0
        net.until_lost(port.factory.protocols[0])
        assert port.factory.protocols[0].reason.type is error.SSLError
        assert self.s_client(net, port).stdout == b"hello\n"

    def test_a_client_asks_for_a_name_and_a_protocol(self, net: TLSNet) -> None:
        own = net.settings.authority.issue("other.example")
        other = net.settings.server(own, acceptableProtocols=[b"h2"])
        server = net.settings.server(names={"other.example": other})
        port = net.listen(Agreed, contextFactory=server)
        asked = ("-servername", "other.example", "-verify_hostname", "other.example")
        ended = self.s_client(net, port, *asked, "-alpn", "http/1.1,h2")
        assert (ended.stdout, ended.returncode) == (b"h2\n", 0), ended.stderr

    def test_a_client_with_a_certificate(self, net: TLSNet) -> None:
        root = net.settings.authority.root
        port = net.listen(Line, contextFactory=net.settings.server(trustRoot=root))
        own = net.settings.authority.issue("client.example")
        shown = ("-cert", own.certificate, "-key", own.privateKey)
        assert self.s_client(net, port, *shown).stdout == b"hello\n"
        without = self.s_client(net, port)
        assert without.stdout == b""
        net.until_lost(*port.factory.protocols)
        assert port.factory.protocols[-1].reason.check(error.VerifyError)

    def test_a_client_that_does_not_trust_us(self, net: TLSNet) -> None:
        port = net.listen(Line)
        ended = self.s_client(net, port, "-verify_hostname", "other.example")
        assert ended.returncode != 0
        net.until_lost(port.factory.protocols[0])
        assert port.factory.protocols[0].reason.check(error.CertificateError)
        assert self.s_client(net, port).stdout == b"hello\n"

    def test_renegotiation_is_refused(self, net: TLSNet) -> None:
        """Without -quiet, the line `R` asks for it."""
        port = net.listen(Recorder)
        address = f"{LOOPBACK}:{port.getHost().port}"
        command = ["openssl", "s_client", "-connect", address, "-tls1_2"]
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with subprocess.Popen(command, **pipes) as program:
            net.turn_until(lambda: port.factory.protocols and port.factory.protocols[0].connected)
            assert program.stdin is not None
            assert program.stderr is not None
            program.stdin.write(b"R\n")
            program.stdin.flush()
            net.until_lost(port.factory.protocols[0])
            told = program.stderr.read()
        assert b"no renegotiation" in told
        assert program.returncode != 0

    # openssl s_server

    @contextmanager
    def s_server(self, settings: Settings, *more: object) -> Iterator[Any]:
        """A server that turns lines around; its address."""
        with self.running_server(settings, "-rev", *more) as (_, address):
            yield address

    @contextmanager
    def running_server(self, settings: Settings, *more: object) -> Iterator[Any]:
        """A server that sends what it is given, obeys certain lines, and prints; its address."""
        own = settings.own
        command = ("openssl", "s_server", "-accept", f"{LOOPBACK}:0", *more)
        files = ("-cert", own.certificate, "-cert_chain", own.certificate, "-key", own.privateKey)
        words = [str(word) for word in (*command, *files)]
        pipe = subprocess.PIPE
        with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as program:
            assert program.stdout is not None
            line = next(line for line in program.stdout if line.startswith(b"ACCEPT"))
            try:
                yield program, (LOOPBACK, int(line.rpartition(b":")[2]))
            finally:
                program.kill()

    def tell(self, program: Any, line: bytes) -> None:
        program.stdin.write(line)
        program.stdin.flush()

    def talk(self, net: TLSNet, address: tuple[str, int], client: Any) -> Recorder:
        """A client that asks one question."""
        protocol = Listener(
            made=lambda it: it.transport.write(b"hello\n"),
            data=lambda it, _: it.transport.loseConnection(),
        )
        factory = RecordingFactory(lambda: protocol)
        net.reactor.connectSSL(*address, factory, client)
        net.turn_until(lambda: protocol.reason)
        return protocol

    @pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
    def test_a_server(self, net: TLSNet, version: str) -> None:
        with self.s_server(net.settings, version) as address:
            protocol = self.talk(net, address, net.client)
        assert protocol.received == b"olleh\n"
        assert protocol.calls == ["made", "shaken", "data", "lost"]
        assert protocol.reason.check(error.ConnectionDone)

    def test_a_server_that_asks_for_a_certificate(self, net: TLSNet) -> None:
        root = net.settings.authority.root
        asking = ("-Verify", 2, "-verify_return_error", "-CAfile", root)
        own = net.settings.authority.issue("client.example")
        with self.s_server(net.settings, *asking) as address:
            shown = self.talk(net, address, net.settings.client(clientCertificate=own))
            without = self.talk(net, address, net.client)
        assert shown.received == b"olleh\n"
        assert without.received == b""
        assert without.reason.check(error.CertificateError)

    def test_a_server_that_is_somebody_else(self, net: TLSNet) -> None:
        with self.s_server(net.settings) as address:
            protocol = self.talk(net, address, net.settings.client("other.example"))
        assert protocol.reason.check(error.PeerVerifyError)
        assert protocol.calls == ["made", "lost"]

    def test_a_server_that_asks_to_renegotiate(self, net: TLSNet) -> None:
        """The line `r` asks for it."""
        with self.running_server(net.settings, "-tls1_2") as (program, address):
            factory = RecordingFactory(Listener)
            net.reactor.connectSSL(*address, factory, net.client)
            net.turn_until(lambda: factory.protocols)
            net.until_called(factory.protocols[0], "shaken")
            self.tell(program, b"r\n")
            net.until_lost(factory.protocols[0])
            told = next(line for line in program.stdout if b"renegotiation:" in line)
        assert b"no renegotiation" in told
        assert factory.protocols[0].calls == ["made", "shaken", "lost"]

    def test_new_keys_on_the_way(self, net: TLSNet) -> None:
        """The line `K` changes the server's keys and asks for ours to be changed."""
        quiet = ("-tls1_3", "-num_tickets", 0)
        with self.running_server(net.settings, *quiet) as (program, address):
            factory = RecordingFactory(lambda: Listener(data=echo))
            net.reactor.connectSSL(*address, factory, net.client)
            net.turn_until(lambda: factory.protocols)
            net.until_called(factory.protocols[0], "shaken")
            counters = net.reactor.engine.counters
            before = counters()["received"]
            self.tell(program, b"K\n")
            net.turn_until(lambda: counters()["received"] > before)
            self.tell(program, b"with new keys\n")
            net.turn_until(lambda: factory.protocols[0].received == b"with new keys\n")
            factory.protocols[0].transport.loseConnection()
            net.until_lost(factory.protocols[0])
            assert any(line == b"with new keys\n" for line in program.stdout)

    # curl

    def curl(self, net: TLSNet, port: Any, path: str, *more: object, given: bytes = b"") -> Any:
        number = port.getHost().port
        there = ("--resolve", f"{NAME}:{number}:{LOOPBACK}", "--noproxy", "*")
        trusting = ("--cacert", net.settings.authority.root)
        command = ("curl", "--silent", "--show-error", *there, *trusting, *more)
        return self.run_program(net, *command, f"https://{NAME}:{number}{path}", given=given)

    @pytest.mark.parametrize("path", ["/", "/until-the-end"])
    @pytest.mark.parametrize("more", [(), ("--tls-max", "1.2")])
    def test_a_page(self, net: TLSNet, path: str, more: tuple[str, ...]) -> None:
        """Without a length, curl takes an end that is not announced for an error."""
        ended = self.curl(net, net.listen(Factory.forProtocol(Web)), path, *more)
        assert ended.stdout == BODY
        assert (ended.returncode, ended.stderr) == (0, b"")

    def test_an_upload(self, net: TLSNet) -> None:
        port = net.listen(Factory.forProtocol(Web))
        given = ("--data-binary", "@-", "--header", "Expect:")
        assert self.curl(net, port, "/", *given, given=BODY[::-1]).stdout == BODY[::-1]

    def test_a_page_of_somebody_else(self, net: TLSNet) -> None:
        other = net.settings.server(net.settings.authority.issue("other.example"))
        port = net.listen(Factory.forProtocol(Web), contextFactory=other)
        assert self.curl(net, port, "/").returncode == 60  # CURLE_PEER_FAILED_VERIFICATION

    def test_a_page_without_tls(self, net: TLSNet) -> None:
        """A plain request gets no answer, and harms nobody."""
        port = net.listen(Factory.forProtocol(Web))
        plain = ("curl", "--silent", f"http://{LOOPBACK}:{port.getHost().port}/")
        assert self.run_program(net, *plain).returncode != 0
        assert self.curl(net, port, "/").stdout == BODY


class Agreed(Recorder):
    """Says which protocol was agreed on."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(self.transport.negotiatedProtocol + b"\n")
        self.transport.loseConnection()


globals().update(on_every_backend(Interop))
