"""The settings of TLS, under Twisted's names: which certificate to show, and whom to trust.

    reactor.listenSSL(443, factory, CertificateOptions("key.pem", "chain.pem"))
    reactor.connectSSL("example.org", 443, factory, ClientContextFactory())
    transport.startTLS(optionsForClientTLS("example.org"))

Safe by default: TLS 1.2 and later, no compression, no renegotiation, ciphers
with forward secrecy. A client verifies the server's certificate by the system's
trust store, and the name in it. Who needs other settings gives an
`ssl.SSLContext` of the standard library instead of any of these.

Files are PEM. They are read when the settings are made and when `reload` is
called, and never otherwise. What is wrong with them is a CertificateError.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.certificate import Certificate
from reactorlib.interfaces import IContextFactory
from reactorlib.tls import HANDSHAKE_TIMEOUT, context_of

logger = logging.getLogger("reactorlib")

__all__ = [
    "Certificate",
    "CertificateOptions",
    "ClientContextFactory",
    "ContextFactory",
    "DefaultOpenSSLContextFactory",
    "PrivateCertificate",
    "optionsForClientTLS",
]

File = str | PathLike[str]


@dataclass(frozen=True)
class PrivateCertificate:
    """The files of one's own certificate: its key, and the chain that begins with it.

    They may be the same file. `password` opens an encrypted key.
    """

    privateKey: File
    certificate: File
    password: str | None = None

    def load(self, context: ssl.SSLContext) -> None:
        """Have a context show it. Raises CertificateError."""
        _check(self.certificate, b"-----BEGIN CERTIFICATE-----", "certificate")
        _check(self.privateKey, b"PRIVATE KEY-----", "private key")
        try:
            context.load_cert_chain(self.certificate, self.privateKey, self._ask)
        except ssl.SSLError as cause:
            raise error.CertificateError(self._explain(cause)) from cause

    def _ask(self) -> str:
        """Called for a key that is encrypted. Without it OpenSSL asks at the terminal."""
        if self.password is None:
            raise error.CertificateError(f"{self.privateKey} is encrypted: give its password")
        return self.password

    def _explain(self, cause: ssl.SSLError) -> str:
        if cause.reason == "KEY_VALUES_MISMATCH":
            return f"the key {self.privateKey} does not belong to {self.certificate}"
        if b"ENCRYPTED" in Path(self.privateKey).read_bytes():
            return f"the password does not open {self.privateKey}"
        return f"{self.certificate} with the key {self.privateKey}: {cause}"


@implementer(IContextFactory)
class ContextFactory:
    """Settings from files. A subclass makes a context of them in `load`."""

    def __init__(self, handshakeTimeout: float | None) -> None:
        self.handshakeTimeout = handshakeTimeout
        self._context = self.load()

    def load(self) -> ssl.SSLContext:
        """A new context. Raises CertificateError."""
        raise NotImplementedError("a subclass knows the files")

    def getContext(self) -> ssl.SSLContext:
        """The context made last."""
        return self._context

    def reload(self) -> None:
        """Read the files again, for the connections to come.

        Raises CertificateError, and then everything stays as it was.
        """
        parts = self._parts()
        contexts = [part.load() for part in parts]
        for part, context in zip(parts, contexts, strict=True):
            part._context = context

    def _parts(self) -> list[ContextFactory]:
        """All that is reloaded together."""
        return [self]


class CertificateOptions(ContextFactory):
    """A server's settings.

    `privateKey`, `certificate`, `password`: see PrivateCertificate.
    `trustRoot`: a file or a directory of certificates; clients are asked for
    one that these have signed, and without it refused, unless
    `requireCertificate` is false. `acceptableProtocols`: for ALPN, the best
    first: [b"h2", b"http/1.1"]. `names`: other context factories, by the name
    that a client asks for (SNI), such as "a.example" or "*.a.example"; their
    protocols count, what they want of clients does not. `handshakeTimeout`: in seconds, None for
    none. Raises CertificateError.
    """

    def __init__(
        self,
        privateKey: File,
        certificate: File,
        password: str | None = None,
        *,
        trustRoot: File | None = None,
        requireCertificate: bool = True,
        acceptableProtocols: Sequence[bytes] = (),
        names: Mapping[str, Any] | None = None,
        handshakeTimeout: float | None = HANDSHAKE_TIMEOUT,
    ) -> None:
        self._own = PrivateCertificate(privateKey, certificate, password)
        self._trust_root = trustRoot
        self._required = requireCertificate
        self._protocols = acceptableProtocols
        self._names = {name.lower(): factory for name, factory in (names or {}).items()}
        super().__init__(handshakeTimeout)

    def load(self) -> ssl.SSLContext:
        context = _strict(ssl.PROTOCOL_TLS_SERVER, self._protocols)
        self._own.load(context)
        if self._trust_root is not None:
            _trust(context, self._trust_root)
            context.verify_mode = ssl.CERT_REQUIRED if self._required else ssl.CERT_OPTIONAL
        if self._names:
            context.sni_callback = self._choose
        return context

    def _choose(self, connection: Any, name: str | None, context: ssl.SSLContext) -> int | None:
        """Called in a hand-shake. A name that is not known gets what all others get."""
        name = (name or "").lower()
        wildcard = f"*.{name.partition('.')[2]}"
        factory = self._names.get(name, self._names.get(wildcard))
        if factory is None:
            return None
        try:
            connection.context = context_of(factory)
        except Exception:  # otherwise printed, and not logged
            logger.exception("No context for %s from %r", name, factory)
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        return None

    def _parts(self) -> list[ContextFactory]:
        others = [each for each in self._names.values() if isinstance(each, ContextFactory)]
        return [self, *others]


class DefaultOpenSSLContextFactory(CertificateOptions):
    """A server's settings, by an older name."""

    def __init__(self, privateKeyFileName: File, certificateFileName: File) -> None:
        super().__init__(privateKeyFileName, certificateFileName)


class ClientContextFactory(ContextFactory):
    """A client's settings.

    `hostname`: the name that the server must prove, by default that of the host
    that is connected to. `trustRoot`: a file or a directory of the
    certificates that are trusted, by default the system's. `clientCertificate`:
    what is shown to a server that asks. `acceptableProtocols`: for ALPN, the best first.
    `handshakeTimeout`: in seconds, None for none. Raises CertificateError.
    """

    def __init__(
        self,
        hostname: str | None = None,
        trustRoot: File | None = None,
        clientCertificate: PrivateCertificate | None = None,
        acceptableProtocols: Sequence[bytes] = (),
        *,
        handshakeTimeout: float | None = HANDSHAKE_TIMEOUT,
    ) -> None:
        self.hostname = hostname
        self._trust_root = trustRoot
        self._own = clientCertificate
        self._protocols = acceptableProtocols
        super().__init__(handshakeTimeout)

    def load(self) -> ssl.SSLContext:
        context = _strict(ssl.PROTOCOL_TLS_CLIENT, self._protocols)  # which verifies
        if self._trust_root is None:
            context.load_default_certs()
        else:
            _trust(context, self._trust_root)
        if self._own is not None:
            self._own.load(context)
        return context


def optionsForClientTLS(
    hostname: str,
    trustRoot: File | None = None,
    clientCertificate: PrivateCertificate | None = None,
    acceptableProtocols: Sequence[bytes] | None = None,
) -> ClientContextFactory:
    """A client's settings for one server. See ClientContextFactory; raises TypeError, too."""
    if not isinstance(hostname, str):
        raise TypeError(f"a host name is text, not {type(hostname).__name__}")
    return ClientContextFactory(hostname, trustRoot, clientCertificate, acceptableProtocols or ())


def _strict(protocol: int, acceptable: Sequence[bytes]) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if acceptable:
        context.set_alpn_protocols([name.decode("ascii") for name in acceptable])
    return context


def _trust(context: ssl.SSLContext, root: File) -> None:
    """Have a context trust the certificates of a file or a directory."""
    if Path(root).is_dir():
        context.load_verify_locations(capath=root)
        return
    _check(root, b"-----BEGIN CERTIFICATE-----", "certificate")
    try:
        context.load_verify_locations(root)
    except ssl.SSLError as cause:
        raise error.CertificateError(f"{root}: {cause}") from cause


def _check(file: File, marker: bytes, what: str) -> None:
    """OpenSSL does not say which file it is that it cannot use."""
    try:
        content = Path(file).read_bytes()
    except OSError as cause:
        raise error.CertificateError(f"{file}: {cause.strerror}") from cause
    if marker not in content:
        raise error.CertificateError(f"{file} has no {what} in PEM")
