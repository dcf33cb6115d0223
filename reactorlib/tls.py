"""TLS for the connections of one reactor: what they share.

A context factory's settings become sessions here, and what layers have
collected is encrypted here, when the turn is over. The layers themselves are in
`tlslayer`, the conversation with the peer is in `tlssession`.
"""

from __future__ import annotations

import ssl
from collections import deque
from typing import Any

from reactorlib import error
from reactorlib.tlslayer import TLSLayer
from reactorlib.tlssession import Session

# Seconds from the beginning of TLS to the end of the hand-shake.
HANDSHAKE_TIMEOUT = 30.0


def context_of(contextFactory: Any) -> ssl.SSLContext:
    """The context that a context factory gives, or that it is. Raises TypeError.

    Renegotiation is refused whatever the context says: a client could make a
    server work for nothing.
    """
    context = contextFactory
    if not isinstance(context, ssl.SSLContext):
        if not hasattr(contextFactory, "getContext"):
            raise TypeError(
                "TLS needs an ssl.SSLContext, or an object with getContext, "
                f"not {type(contextFactory).__name__}"
            )
        context = contextFactory.getContext()
    if not isinstance(context, ssl.SSLContext):
        raise TypeError(
            f"{type(contextFactory).__name__}.getContext must return an ssl.SSLContext, "
            f"not {type(context).__name__}"
        )
    if not context.options & ssl.OP_NO_RENEGOTIATION:
        context.options |= ssl.OP_NO_RENEGOTIATION
    return context


class TLS:
    """TLS for the connections of one reactor.

    Keeps those that have something to encrypt when the turn is over.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._layers: deque[TLSLayer] = deque()

    def session(self, contextFactory: Any, is_client: bool, host: str | None = None) -> Session:
        """A new session. A client expects the factory's `hostname`, or else `host`.

        Raises what ITLSTransport.startTLS does, and ValueError if the context
        is to verify a name and there is none.
        """
        context = context_of(contextFactory)
        hostname = (getattr(contextFactory, "hostname", None) or host) if is_client else None
        if is_client and context.check_hostname and not hostname:
            raise ValueError("there is no name to verify: give the context factory a hostname")
        try:
            return Session(context, not is_client, hostname)
        except ssl.SSLError as cause:
            raise error.SSLError(string=f"this context cannot be used here: {cause}") from cause

    def layer(self, connection: Any, engine: Any, contextFactory: Any, is_client: bool) -> TLSLayer:
        """A new layer for a connection on an engine."""
        session = self.session(contextFactory, is_client, connection.peer_name)
        if is_client:
            session.shake()  # what it says first needs nothing from the peer
        if session.fault is not None:
            raise session.fault
        timeout = getattr(contextFactory, "handshakeTimeout", HANDSHAKE_TIMEOUT)
        return TLSLayer(connection, engine, self.add, session, timeout)

    def add(self, layer: TLSLayer) -> None:
        """Have its `flush` called before the engine's next turn."""
        if not self._layers:
            self._reactor.callSoon(self._flush_all)
        self._layers.append(layer)

    def _flush_all(self) -> None:
        """This calls nothing of the user's, who could go on writing for ever."""
        try:
            while self._layers:
                self._flush(self._layers.popleft())
        finally:
            if self._layers:  # KeyboardInterrupt
                self._reactor.callSoon(self._flush_all)

    def _flush(self, layer: TLSLayer) -> None:
        try:
            layer.flush()
        except Exception:
            self._reactor.report(layer)
