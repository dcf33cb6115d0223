"""TLS without a network: the conversation, and what is done when a turn is over."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactorlib import error
from reactorlib.ssl import (
    ClientContextFactory,
    PrivateCertificate,
)
from reactorlib.testing.certificates import Authority
from reactorlib.tls import TLS
from reactorlib.tlssession import RECORD, Session, explained
from tests.tlssessions import NAME, options, sessions, shake


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> PrivateCertificate:
    certificate: PrivateCertificate = authority.issue(NAME, "127.0.0.1")
    return certificate


class TestSession:
    @pytest.fixture
    def ends(
        self, authority: Authority, own: PrivateCertificate
    ) -> Callable[[], tuple[Session, Session]]:
        server, client = options(own), ClientContextFactory(NAME, authority.root)
        return lambda: sessions(server, client)

    @settings(max_examples=50, deadline=None)
    @given(
        sizes=st.lists(st.integers(1, 700), min_size=1, max_size=60),
        lengths=st.lists(st.integers(0, 40_000), max_size=4),
        end=st.booleans(),
    )
    def test_how_bytes_are_divided_makes_no_difference(
        self, own: PrivateCertificate, sizes: list[int], lengths: list[int], end: bool
    ) -> None:
        """The hand-shake, the data and the end, in pieces of any sizes, both ways."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        server, client = sessions(options(own), context)
        client.shake()
        to_server, to_client = client.output(), b""
        received = {id(server): b"", id(client): b""}
        sent = b"".join(bytes([number]) * length for number, length in enumerate(lengths))
        turn, said = 0, False
        while to_server or to_client or not said:
            if not said and not client.shaking:
                said = True
                to_server += b"".join(client.encrypt(each) for each in pieces(sent, lengths))
                to_server += client.close() if end else b""
            for session in (server, client):
                size = sizes[turn % len(sizes)]
                turn += 1
                if session is server:
                    piece, to_server = to_server[:size], to_server[size:]
                else:
                    piece, to_client = to_client[:size], to_client[size:]
                received[id(session)] += session.receive(piece)
                if session is server:
                    to_client += session.output()
                else:
                    to_server += session.output()
        assert received[id(server)] == sent
        assert (server.input_over, server.fault, client.fault) == (end, None, None)

    def test_a_part_of_a_record_is_nothing_yet(
        self, ends: Callable[[], tuple[Session, Session]]
    ) -> None:
        server, client = ends()
        shake(server, client)
        record = client.encrypt(b"hello")
        assert [server.receive(record[at : at + 1]) for at in range(len(record))] == [
            *([b""] * (len(record) - 1)),
            b"hello",
        ]

    def test_records_are_joined(self, ends: Callable[[], tuple[Session, Session]]) -> None:
        server, client = ends()
        shake(server, client)
        together = b"".join(client.encrypt(each) for each in (b"one ", b"two ", b"three"))
        assert server.receive(together) == b"one two three"
        much = bytes(range(256)) * 1000
        assert server.receive(client.encrypt(memoryview(much))) == much
        assert len(client.encrypt(b"x" * RECORD)) < RECORD + 30

    def test_the_end_of_both(self, ends: Callable[[], tuple[Session, Session]]) -> None:
        server, client = ends()
        assert client.close() == client.output() == b""
        shake(server, client)
        assert server.receive(client.encrypt(b"last") + client.close()) == b"last"
        assert (server.input_over, server.output_over) == (True, False)
        assert client.receive(server.encrypt(b"answer") + server.close()) == b"answer"
        assert client.input_over
        assert server.close() == b""

    def test_what_is_good_before_a_fault_is_given_out(
        self, ends: Callable[[], tuple[Session, Session]]
    ) -> None:
        server, client = ends()
        shake(server, client)
        good, bad = client.encrypt(b"good"), bytearray(client.encrypt(b"bad"))
        bad[-1] ^= 1
        assert server.receive(good + bytes(bad) + client.encrypt(b"late")) == b"good"
        assert isinstance(server.fault, error.SSLError)
        assert server.output()  # the alert
        assert server.close() == b""
        assert isinstance(server.fault.__cause__, ssl.SSLError)
        assert server.fault.__cause__.__traceback__ is None

    def test_before_the_handshake_nothing_is_known(
        self, ends: Callable[[], tuple[Session, Session]]
    ) -> None:
        server, client = ends()
        assert client.peer_certificate() is None
        assert client.negotiated_protocol() is None
        assert not server.shake()


def pieces(data: bytes, lengths: list[int]) -> Iterator[bytes]:
    """Data in pieces of these lengths, but for empty ones."""
    start = 0
    for length in filter(None, lengths):
        yield data[start : start + length]
        start += length


class TestExplained:
    @pytest.mark.parametrize(
        ("name", "kind", "text"),
        [
            ("WRONG_VERSION_NUMBER", error.NotTLSError, "not TLS"),
            ("HTTP_REQUEST", error.NotTLSError, "not TLS"),
            ("NO_SHARED_CIPHER", error.SSLError, "no certificate"),
            ("PEER_DID_NOT_RETURN_A_CERTIFICATE", error.PeerVerifyError, "no certificate"),
            ("TLSV1_ALERT_UNKNOWN_CA", error.CertificateError, "unknown ca"),
            ("SSLV3_ALERT_CERTIFICATE_EXPIRED", error.CertificateError, "certificate expired"),
            ("SSLV3_ALERT_HANDSHAKE_FAILURE", error.SSLError, "ended it .handshake failure"),
            ("SOMETHING_NEW", error.SSLError, "something new"),
        ],
    )
    def test_each_kind_has_its_own(self, name: str, kind: type[Exception], text: str) -> None:
        cause = ssl.SSLError(1, "unread")
        cause.reason = name
        with pytest.raises(kind, match=text) as caught:
            raise explained(cause)
        assert caught.value.__cause__ is cause

    def test_one_without_a_reason_keeps_its_text(self) -> None:
        cause = ssl.SSLError(1, "what it says")
        cause.reason = None  # type: ignore[assignment]
        assert "what it says" in str(explained(cause))


class Layer:
    """One whose `flush` does what the test says."""

    def __init__(self, *faults: BaseException) -> None:
        self.faults = list(faults)
        self.flushed = 0

    def flush(self) -> None:
        if self.faults:
            raise self.faults.pop()
        self.flushed += 1


class OneReactor:
    """Keeps what is to be called, and what was reported."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], object]] = []
        self.reported: list[Any] = []
        self.callSoon = self.soon.append
        self.report = self.reported.append


class TestTurns:
    """What is encrypted when a turn is over."""

    def test_one_call_for_all_of_a_turn(self) -> None:
        reactor, layers = OneReactor(), [Layer() for _ in range(3)]
        tls = TLS(reactor)
        for layer in layers:
            tls.add(layer)  # type: ignore[arg-type]
        (call,) = reactor.soon
        call()
        assert [layer.flushed for layer in layers] == [1, 1, 1]
        tls.add(layers[0])  # type: ignore[arg-type]
        assert len(reactor.soon) == 2

    def test_a_fault_is_its_own_connections(self) -> None:
        reactor, layers = OneReactor(), [Layer(MemoryError()), Layer()]
        tls = TLS(reactor)
        for layer in layers:
            tls.add(layer)  # type: ignore[arg-type]
        reactor.soon[0]()
        assert reactor.reported == layers[:1]
        assert layers[1].flushed == 1

    def test_an_interrupt_forgets_nobody(self) -> None:
        reactor, layers = OneReactor(), [Layer(KeyboardInterrupt()), Layer()]
        tls = TLS(reactor)
        for layer in layers:
            tls.add(layer)  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            reactor.soon[0]()
        reactor.soon[1]()
        assert layers[1].flushed == 1


def test_without_tls_openssl_is_not_loaded() -> None:
    program = "import sys; from reactorlib import reactor; sys.exit('ssl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
