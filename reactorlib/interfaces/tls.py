"""TLS: settings, what a transport tells of it, and reactors that listen and connect by it."""

from __future__ import annotations

from typing import Any

from zope.interface import Attribute, Interface

from reactorlib.interfaces.transports import ITCPTransport


class IContextFactory(Interface):
    """Gives connections their settings of TLS.

    Wherever one is taken, an ssl.SSLContext itself does as well. A client's may
    have `hostname`: the name that the server's certificate must carry, by
    default that of the host that is connected to. Any may have
    `handshakeTimeout`: in seconds, by default 30; None waits without end.
    """

    def getContext() -> Any:
        """The ssl.SSLContext for the next connection."""


class ITLSTransport(ITCPTransport):
    """A TCP connection that can change to TLS on the way."""

    TLS: bool = Attribute("Whether it speaks TLS, from the call of startTLS on.")

    def startTLS(contextFactory: Any, normal: bool = True) -> None:
        """Change to TLS after what was written so far; the transport stays the same.

        `contextFactory` is an IContextFactory or an ssl.SSLContext. The side
        that connected is the client, unless `normal` is false. What was read
        already and not delivered is the beginning of the peer's TLS. The
        protocol may write at once. A hand-shake that fails ends the connection,
        with SSLError, VerifyError or CertificateError as the reason.

        Raises RuntimeError if it speaks TLS already, TypeError for what is no
        context factory, SSLError for a context of the wrong kind.
        """


class ISSLTransport(ITCPTransport):
    """A connection that speaks TLS."""

    def getPeerCertificate() -> Any:
        """The other side's reactorlib.ssl.Certificate; None if it has sent none.

        None also before the hand-shake is done.
        """


class INegotiated(ISSLTransport):
    """A connection that speaks TLS, and can agree on the protocol within it (ALPN)."""

    negotiatedProtocol: bytes | None = Attribute(
        "What was agreed on, such as b'h2'; None if nothing was, or not yet."
    )


class IHandshakeListener(Interface):
    """A protocol that is told when the hand-shake is done."""

    def handshakeCompleted() -> None:
        """The peer is verified, if it was to be, and ALPN has agreed; data comes later."""


class IReactorSSL(Interface):
    """TLS servers and clients. See IReactorTCP for the other arguments."""

    def listenSSL(
        port: int, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        """Listen for connections that begin with TLS; an IListeningPort.

        Raises CannotListenError; and for the context factory what startTLS does.
        """

    def connectSSL(
        host: str,
        port: int,
        factory: Any,
        contextFactory: Any,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> Any:
        """Connect and begin with TLS; an IConnector.

        connectionMade comes when TCP is connected: see IHandshakeListener. A
        hand-shake that fails is told by connectionLost and clientConnectionLost.
        Raises for the context factory what startTLS does.
        """
