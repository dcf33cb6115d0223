"""Endpoints: places to listen at and to connect to, as objects and as strings.

    strings       serverFromString, clientFromString, and how a string is read
    tcp, tls, unix, adopted, process, stdio     one file for each kind of place
    connecting    what client endpoints share; connectProtocol
    opening       connections that begin with something of their own
    fields        the values of a string's fields

`reactorlib.protocols.haproxy` has the wrapper for the PROXY protocol.
"""

from reactorlib.endpoints.adopted import AdoptedStreamServerEndpoint
from reactorlib.endpoints.connecting import connectProtocol
from reactorlib.endpoints.process import ProcessEndpoint, StandardErrorBehavior
from reactorlib.endpoints.stdio import StandardIOEndpoint
from reactorlib.endpoints.strings import (
    InvalidEndpoint,
    clientFromString,
    quoteStringArgument,
    serverFromString,
)
from reactorlib.endpoints.tcp import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    TCP6ClientEndpoint,
    TCP6ServerEndpoint,
)
from reactorlib.endpoints.tls import (
    SSL4ClientEndpoint,
    SSL4ServerEndpoint,
    wrapClientTLS,
    wrapServerTLS,
)
from reactorlib.endpoints.unix import UNIXClientEndpoint, UNIXServerEndpoint

__all__ = [
    "AdoptedStreamServerEndpoint",
    "HostnameEndpoint",
    "InvalidEndpoint",
    "ProcessEndpoint",
    "SSL4ClientEndpoint",
    "SSL4ServerEndpoint",
    "StandardErrorBehavior",
    "StandardIOEndpoint",
    "TCP4ClientEndpoint",
    "TCP4ServerEndpoint",
    "TCP6ClientEndpoint",
    "TCP6ServerEndpoint",
    "UNIXClientEndpoint",
    "UNIXServerEndpoint",
    "clientFromString",
    "connectProtocol",
    "quoteStringArgument",
    "serverFromString",
    "wrapClientTLS",
    "wrapServerTLS",
]
