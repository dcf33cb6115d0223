"""TLS endpoints as strings. Apart from `tls`: this imports OpenSSL, which few need."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from reactorlib.endpoints.tcp import TCPParser
from reactorlib.endpoints.tls import (
    TLSClientEndpoint,
    TLSServerEndpoint,
    wrapClientTLS,
    wrapServerTLS,
)
from reactorlib.interfaces import (
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpointStringParser,
)
from reactorlib.ssl import CertificateOptions, PrivateCertificate, optionsForClientTLS
from reactorlib.tcp import BACKLOG


@implementer(IStreamServerEndpointStringParser, IStreamClientEndpointStringParserWithReactor)
class TLSParser:
    """`tls:443:privateKey=key.pem:certKey=chain.pem`; `ssl:` means the same.

    Files are PEM; without `certKey` the certificate is in the key's file. `caCerts`
    are those that clients must be signed by. To connect, `tls:example.com:443`: the
    system's trust store, or `trustRoots`, says who example.com is; `hostname` is the
    name in its certificate, where that is another one.
    """

    prefix = "tls"

    def parseStreamServer(
        self,
        reactor: Any,
        port: str,
        privateKey: str = "server.pem",
        certKey: str | None = None,
        password: str | None = None,
        caCerts: str | None = None,
        interface: str | None = None,
        backlog: str = str(BACKLOG),
    ) -> TLSServerEndpoint:
        endpoint = TCPParser().parseStreamServer(reactor, port, interface, backlog)
        options = CertificateOptions(privateKey, certKey or privateKey, password, trustRoot=caCerts)
        return wrapServerTLS(options, endpoint)

    def parseStreamClient(
        self,
        reactor: Any,
        host: str,
        port: str,
        timeout: str = "30",
        bindAddress: str | None = None,
        hostname: str | None = None,
        trustRoots: str | None = None,
        certificate: str | None = None,
        privateKey: str | None = None,
    ) -> TLSClientEndpoint:
        own = None
        if certificate is not None:
            own = PrivateCertificate(privateKey or certificate, certificate)
        options = optionsForClientTLS(hostname or host, trustRoots, own)
        endpoint = TCPParser().parseStreamClient(reactor, host, port, timeout, bindAddress)
        return wrapClientTLS(options, endpoint)
