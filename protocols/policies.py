"""Policies for connections, under the names of twisted.protocols.policies.

A factory is wrapped in one or several: `TimeoutFactory(ThrottlingFactory(factory))`.
"""

from __future__ import annotations

from reactorlib.protocols.limits import LimitConnectionsByPeer, LimitTotalConnectionsFactory
from reactorlib.protocols.spying import (
    SpewingFactory,
    SpewingProtocol,
    TrafficLoggingFactory,
    TrafficLoggingProtocol,
)
from reactorlib.protocols.throttling import ThrottlingFactory, ThrottlingProtocol
from reactorlib.protocols.timeouts import TimeoutFactory, TimeoutMixin, TimeoutProtocol
from reactorlib.protocols.wrapping import ProtocolWrapper, WrappingFactory

__all__ = [
    "LimitConnectionsByPeer",
    "LimitTotalConnectionsFactory",
    "ProtocolWrapper",
    "SpewingFactory",
    "SpewingProtocol",
    "ThrottlingFactory",
    "ThrottlingProtocol",
    "TimeoutFactory",
    "TimeoutMixin",
    "TimeoutProtocol",
    "TrafficLoggingFactory",
    "TrafficLoggingProtocol",
    "WrappingFactory",
]
