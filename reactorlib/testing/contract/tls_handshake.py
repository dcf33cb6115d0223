"""The hand-shake: who is who, what is agreed on, and what programs do wrong."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest
from zope.interface import implementer
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.interfaces import (
    IHandshakeListener,
    INegotiated,
    IReactorSSL,
    ISSLTransport,
    ITLSTransport,
)
from reactorlib.ssl import Certificate, PrivateCertificate
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import (
    LOOPBACK,
    Fault,
    Recorder,
    RecordingFactory,
    echo,
    raises,
)
from reactorlib.testing.contract.tls_peers import NAME, TLSContractBase, TLSNet
from reactorlib.testing.tlspeer import Cut


@implementer(IHandshakeListener)
class Listener(Recorder):
    """A Recorder with `shaken`."""

    def handshakeCompleted(self) -> None:
        self.note("shaken")


class HandshakeContract(TLSContractBase):
    """What listenSSL and connectSSL do before data flows."""

    # Who is who

    def test_both_sides(self, net: TLSNet) -> None:
        ours, theirs = self.ends(net, net.server, net.client)
        assert (ours.received, theirs.received) == (b"hello", b"hello")
        assert net.reactor.getDelayedCalls() == []
        for transport in (ours.transport, theirs.transport):
            assert transport.TLS
            for interface in (ITLSTransport, ISSLTransport, INegotiated):
                assert verifyObject(interface, transport)
            assert transport.negotiatedProtocol is None
        assert ours.transport.getPeerCertificate() is None
        certificate = theirs.transport.getPeerCertificate()
        assert isinstance(certificate, Certificate)
        assert certificate.dumpPEM() in net.settings.own.certificate.read_bytes()
        assert ("DNS", NAME) in certificate.details["subjectAltName"]
        ours.transport.loseConnection()
        net.until_lost(ours, theirs)
        assert [each.reason.type for each in (ours, theirs)] == [error.ConnectionDone] * 2
        assert theirs.transport.getPeerCertificate() is None
        assert not theirs.transport.TLS

    def test_a_reactor_and_a_plain_connection_say_what_they_provide(self, net: TLSNet) -> None:
        assert verifyObject(IReactorSSL, net.reactor)
        factory = RecordingFactory()
        net.ports.append(net.reactor.listenTCP(0, factory, interface=LOOPBACK))
        protocol, _ = net.accepted(net.ports[-1], net.dial_plain(net.ports[-1]))
        assert verifyObject(ITLSTransport, protocol.transport)
        assert not ISSLTransport.providedBy(protocol.transport)
        assert not protocol.transport.TLS
        assert protocol.transport.getPeerCertificate() is None
        assert protocol.transport.negotiatedProtocol is None

    def test_contexts_of_the_standard_library_will_do(self, net: TLSNet) -> None:
        ours, theirs = self.ends(net, net.server.getContext(), net.settings.client().getContext())
        assert (ours.received, theirs.received) == (b"hello", b"hello")
        assert theirs.transport.getPeerCertificate().details

    def test_a_client_shows_its_certificate(self, net: TLSNet) -> None:
        own = net.settings.authority.issue("client.example")
        server = net.settings.server(trustRoot=net.settings.authority.root)
        ours, _ = self.ends(net, server, net.settings.client(clientCertificate=own))
        shown = ours.transport.getPeerCertificate()
        assert shown.details["subjectAltName"] == (("DNS", "client.example"),)

    def test_a_client_without_one_is_refused(self, net: TLSNet) -> None:
        server = net.settings.server(trustRoot=net.settings.authority.root)
        ours, theirs = self.ends(net, server, net.client)
        net.until_lost(ours, theirs)
        assert ours.reason.check(error.VerifyError)
        assert "no certificate" in ours.reason.getErrorMessage()
        assert theirs.reason.check(error.CertificateError, error.SSLError)

    def test_a_client_may_be_asked_without_being_made_to(self, net: TLSNet) -> None:
        root = net.settings.authority.root
        server = net.settings.server(trustRoot=root, requireCertificate=False)
        ours, theirs = self.ends(net, server, net.client)
        assert theirs.received == b"hello"
        assert ours.transport.getPeerCertificate() is None

    def test_names_choose_certificates(self, net: TLSNet) -> None:
        authority = net.settings.authority
        names = {
            name: net.settings.server(authority.issue(name))
            for name in ("one.example", "*.Two.example")
        }
        port = net.listen(contextFactory=net.settings.server(names=names))
        for asked, shown in (
            (NAME, NAME),
            ("ONE.example", "one.example"),
            ("x.two.example", "*.two.example"),
            (LOOPBACK, NAME),
        ):
            assert ("DNS", shown) in self.shown(net, port, asked).details["subjectAltName"]

    def shown(self, net: TLSNet, port: Any, asked: str) -> Certificate:
        """The certificate that a client is shown who asks for that name."""
        client = Listener()
        net.connect(port, RecordingFactory(lambda: client), net.settings.client(asked))
        net.until_called(client, "shaken")
        certificate: Certificate = client.transport.getPeerCertificate()
        return certificate

    def test_a_protocol_within_is_agreed_on(self, net: TLSNet) -> None:
        server = net.settings.server(acceptableProtocols=[b"h2", b"http/1.1"])
        for offered, agreed in (([b"http/1.1", b"x"], b"http/1.1"), ([b"y"], None), ([], None)):
            client = net.settings.client(acceptableProtocols=offered)
            ours, theirs = self.ends(net, server, client)
            assert ours.transport.negotiatedProtocol == agreed
            assert theirs.transport.negotiatedProtocol == agreed

    def test_a_listener_is_told_before_data_comes(self, net: TLSNet) -> None:
        def ask(protocol: Any) -> None:
            assert protocol.transport.getPeerCertificate() is not None
            protocol.transport.write(b"question")

        port = net.listen(lambda: Listener(data=echo))
        client = Listener(shaken=ask)
        net.connect(port, RecordingFactory(lambda: client))
        net.turn_until(lambda: client.received == b"question")
        assert client.calls == ["made", "shaken", "data"]
        assert port.factory.protocols[0].calls == ["made", "shaken", "data"]

    def test_nobody_is_told_after_the_end(self, net: TLSNet) -> None:
        def leave(protocol: Any) -> None:
            protocol.transport.write(b"goodbye")
            protocol.transport.loseConnection()

        port = net.listen(lambda: Listener(made=leave))
        peer = net.dial(port)
        assert net.read_all(peer) == b"goodbye"
        protocol = port.factory.protocols[0]
        net.until_lost(protocol)
        assert protocol.calls == ["made", "lost"]

    def test_a_certificate_is_renewed_without_a_restart(self, net: TLSNet, tmp_path: Path) -> None:
        """Connections that are there go on as they are, and so does the port."""
        first, second = (net.settings.authority.issue(NAME) for _ in range(2))
        files = PrivateCertificate(tmp_path / "key.pem", tmp_path / "chain.pem")
        self.renew(files, first)
        server = net.settings.server(files)
        port = net.listen(lambda: Recorder(data=echo), contextFactory=server)
        before = net.dial(port)
        self.renew(files, second)
        assert self.pem_shown(net.dial(port)) in Path(first.certificate).read_text()
        server.reload()
        assert self.pem_shown(net.dial(port)) in Path(second.certificate).read_text()
        assert net.ask(before, b"as before") == b"as before"
        Path(files.privateKey).write_text("nothing")
        with pytest.raises(error.CertificateError, match="no private key"):
            server.reload()
        assert self.pem_shown(net.dial(port)) in Path(second.certificate).read_text()

    def renew(self, files: PrivateCertificate, source: PrivateCertificate) -> None:
        """Write others over them."""
        shutil.copy(source.privateKey, files.privateKey)
        shutil.copy(source.certificate, files.certificate)

    def pem_shown(self, peer: Any) -> str:
        """What a peer was shown."""
        return ssl.DER_cert_to_PEM_cert(peer.tls.getpeercert(binary_form=True))

    # Faults of the program

    def test_what_is_no_context_factory(self, net: TLSNet) -> None:
        class Wrong:
            def getContext(self) -> None: ...

        listen, connect = net.reactor.listenSSL, net.reactor.connectSSL
        for wrong, match in (
            (None, "not NoneType"),
            ("cert.pem", "not str"),
            (Wrong(), "Wrong.get"),
        ):
            with pytest.raises(TypeError, match=match):
                listen(0, RecordingFactory(), wrong, interface=LOOPBACK)
            with pytest.raises(TypeError, match=match):
                connect(LOOPBACK, 1, RecordingFactory(), wrong)
        with pytest.raises(error.SSLError, match="TLS_CLIENT"):
            listen(0, RecordingFactory(), net.client, interface=LOOPBACK)
        with pytest.raises(error.SSLError, match="TLS_SERVER"):
            connect(LOOPBACK, 1, RecordingFactory(), net.server)

    def test_a_context_that_allows_nothing(self, net: TLSNet, logged_errors: LoggedErrors) -> None:
        context = net.settings.client().getContext()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        factory = RecordingFactory()
        net.connect(net.listen(), factory, context)
        net.turn_until(lambda: "lost" in factory.calls)
        assert len(logged_errors.take(error.SSLError)) == 1

    def test_a_context_factory_that_fails_costs_one_connection(
        self, net: TLSNet, logged_errors: LoggedErrors
    ) -> None:
        class Failing:
            fails = False

            def getContext(self) -> ssl.SSLContext:
                if self.fails:
                    raises()
                context: ssl.SSLContext = net.server.getContext()
                return context

        failing = Failing()
        port = net.listen(contextFactory=failing)
        failing.fails = True
        assert net.is_reset(net.dial_plain(port))
        assert len(logged_errors.take(Fault)) == 1
        assert port.factory.protocols[0].calls == []
        failing.fails = False
        self.check_alive(net, port)

    def test_a_listener_that_raises(self, net: TLSNet, logged_errors: LoggedErrors) -> None:
        port = net.listen(lambda: Listener(shaken=raises))
        with pytest.raises((ConnectionResetError, Cut)):
            net.read(net.dial(port), 1)
        assert port.factory.protocols[0].reason.check(Fault)
        assert len(logged_errors.take(Fault)) == 1
