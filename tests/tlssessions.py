"""Two sides of TLS that talk with each other in memory, for the tests."""

from __future__ import annotations

from typing import Any

from reactorlib.ssl import CertificateOptions, ContextFactory, PrivateCertificate
from reactorlib.tls import context_of
from reactorlib.tlssession import Session

NAME = "server.example"


def options(own: PrivateCertificate, **more: Any) -> CertificateOptions:
    return CertificateOptions(own.privateKey, own.certificate, **more)


def sessions(server: Any, client: Any, name: str = NAME) -> tuple[Session, Session]:
    """A server's and a client's, before the hand-shake."""
    return Session(context_of(server), True, None), Session(context_of(client), False, name)


def shake(server: Session, client: Session) -> None:
    """Let them talk until neither says anything more."""
    client.shake()
    talking = True
    while talking:
        said = client.output()
        if server.fault is None:
            server.receive(said)
        answer = server.output()
        if client.fault is None:
            client.receive(answer)
        talking = bool(said or answer)


def shown_to(client: ContextFactory, server: ContextFactory, name: str) -> bytes:
    """The certificate that a client gets who asks for a name."""
    both = sessions(server, client, name)
    shake(*both)
    certificate = both[1].peer_certificate()
    assert certificate is not None, both[1].fault
    return certificate.der
