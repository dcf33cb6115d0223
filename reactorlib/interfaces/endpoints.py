"""Places as values: where to listen, or whom to connect to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from reactorlib.defer import Deferred


class IStreamServerEndpoint(Interface):
    """A place to listen at."""

    def listen(protocolFactory: Any) -> Deferred[Any]:
        """Listen; the IListeningPort. Fails with CannotListenError."""


class IStreamClientEndpoint(Interface):
    """A place to connect to."""

    def connect(protocolFactory: Any) -> Deferred[Any]:
        """Connect once; the protocol that the factory made, once it is connected.

        Fails with a ConnectError, with NoProtocol when the factory made none, or
        with what its buildProtocol or the protocol's makeConnection raised.
        Cancelled, it fails with ConnectingCancelledError and the attempt ends.
        """


class IStreamServerEndpointStringParser(Interface):
    """Makes server endpoints of one kind from strings, for serverFromString."""

    prefix: str = Attribute("What such a string begins with, before its first colon.")
    parseStreamServer: Callable[..., Any] = Attribute(
        """A method that takes the reactor and the string's fields, as text.

        Returns the IStreamServerEndpoint that they describe. Its signature says
        which fields there may be: others never get there. Raises ValueError for
        a wrong one.
        """
    )


class IStreamClientEndpointStringParserWithReactor(Interface):
    """Makes client endpoints of one kind from strings, for clientFromString."""

    prefix: str = Attribute("What such a string begins with, before its first colon.")
    parseStreamClient: Callable[..., Any] = Attribute(
        "A method that returns the IStreamClientEndpoint; for the rest see parseStreamServer."
    )
