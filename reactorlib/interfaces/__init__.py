"""Every contract of the package, in one place, under Twisted's names.

An interface's docstring is the contract; an implementation adds only how.
Times are in seconds, sizes in bytes. Nothing here imports another part of
the package.

The map, from the bottom up: an engine (`IEngine`) does the I/O and reports
what has happened; the reactor (`IReactorCore` and the other `IReactor…`)
dispatches that; a transport (`ITCPTransport`) stands between one connection and
the user's `IProtocol`, which an `IProtocolFactory` made. The contracts stand in the
modules of this package by what they are about; all are imported from here.
"""

from __future__ import annotations

from reactorlib.interfaces.datagrams import (
    IDatagramProtocol,
    IMulticastTransport,
    IReactorMulticast,
    IReactorUDP,
    IUDPTransport,
)
from reactorlib.interfaces.endpoints import (
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from reactorlib.interfaces.engine import IEngine, ISurvey
from reactorlib.interfaces.names import (
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IReactorPluggableResolver,
    IResolutionReceiver,
    IResolverSimple,
)
from reactorlib.interfaces.processes import IProcessProtocol, IProcessTransport, IReactorProcess
from reactorlib.interfaces.protocols import (
    IConnector,
    IHalfCloseableProtocol,
    IListeningPort,
    ILoggingContext,
    IProtocol,
    IProtocolFactory,
)
from reactorlib.interfaces.reactor import (
    IDelayedCall,
    IFileDescriptor,
    IReactorCore,
    IReactorFDSet,
    IReactorFromThreads,
    IReactorInThreads,
    IReactorSocket,
    IReactorTCP,
    IReactorThreads,
    IReactorTime,
    IReadDescriptor,
    IReadWriteDescriptor,
    IWriteDescriptor,
)
from reactorlib.interfaces.tls import (
    IContextFactory,
    IHandshakeListener,
    INegotiated,
    IReactorSSL,
    ISSLTransport,
    ITLSTransport,
)
from reactorlib.interfaces.transports import (
    IAddress,
    ICongestionMonitor,
    IConsumer,
    IHandOver,
    IProducer,
    IProxiedTransport,
    IPullProducer,
    IPushProducer,
    ISendfileTransport,
    ITCPTransport,
    ITransport,
)
from reactorlib.interfaces.unix import (
    IFileDescriptorReceiver,
    IReactorUNIX,
    IReactorUNIXDatagram,
    IUNIXDatagramConnectedTransport,
    IUNIXDatagramTransport,
    IUNIXTransport,
)

__all__ = [
    "IAddress",
    "ICongestionMonitor",
    "IConnector",
    "IConsumer",
    "IContextFactory",
    "IDatagramProtocol",
    "IDelayedCall",
    "IEngine",
    "IFileDescriptor",
    "IFileDescriptorReceiver",
    "IHalfCloseableProtocol",
    "IHandOver",
    "IHandshakeListener",
    "IHostResolution",
    "IHostnameResolver",
    "IListeningPort",
    "ILoggingContext",
    "IMulticastTransport",
    "INegotiated",
    "IProcessProtocol",
    "IProcessTransport",
    "IProducer",
    "IProtocol",
    "IProtocolFactory",
    "IProxiedTransport",
    "IPullProducer",
    "IPushProducer",
    "IReactorCore",
    "IReactorFDSet",
    "IReactorFromThreads",
    "IReactorInThreads",
    "IReactorMulticast",
    "IReactorPluggableNameResolver",
    "IReactorPluggableResolver",
    "IReactorProcess",
    "IReactorSSL",
    "IReactorSocket",
    "IReactorTCP",
    "IReactorThreads",
    "IReactorTime",
    "IReactorUDP",
    "IReactorUNIX",
    "IReactorUNIXDatagram",
    "IReadDescriptor",
    "IReadWriteDescriptor",
    "IResolutionReceiver",
    "IResolverSimple",
    "ISSLTransport",
    "ISendfileTransport",
    "IStreamClientEndpoint",
    "IStreamClientEndpointStringParserWithReactor",
    "IStreamServerEndpoint",
    "IStreamServerEndpointStringParser",
    "ISurvey",
    "ITCPTransport",
    "ITLSTransport",
    "ITransport",
    "IUDPTransport",
    "IUNIXDatagramConnectedTransport",
    "IUNIXDatagramTransport",
    "IUNIXTransport",
    "IWriteDescriptor",
]
