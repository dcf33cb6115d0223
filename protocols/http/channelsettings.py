"""What may be set on the connections of a web server: limits and time-outs, all finite."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from reactorlib.protocols.http.chanrequest import ChannelRequest
from reactorlib.protocols.http.framing import EveryAnswer
from reactorlib.protocols.http.parser import RequestHead

_Channel = TypeVar("_Channel", bound="ChannelSettings")


class ChannelSettings:
    """What an HTTPFactory may set, by these names, for all of its connections.

    Attributes:
        maxPipeline: requests that are worked on at once.
        betweenRequestsTimeOut: seconds until the next request must have begun.
        inputTimeOut: seconds for a head, and for each wait for more of a body.
        minimumRate: bytes per second that a body must come with, where that is not
            due to us; it may be behind by inputTimeOut seconds. 0 for none.
        idleTimeOut: seconds in which a client must read some of what waits for it.
        drainTimeOut: seconds for a request on its way, when the server ends.
        closeTimeOut: as idleTimeOut, once the connection ends.
        maxRequestLine, maxHeaderLength: bytes of the first line and of the whole head.
        maxHeaderCount: fields of a request.
        maxContentLength: bytes of a request's body.
        maxUnread: bytes of a body that nobody wants, read to keep the connection.
        allowPersistentConnections: whether one serves more than one request.
        requestFactory, exchangeFactory: what makes requests, and what carries them.
        everyAnswer: what every answer begins with.
    """

    maxPipeline: ClassVar[int] = 4
    betweenRequestsTimeOut: float = 15
    inputTimeOut: ClassVar[float] = 240
    minimumRate: ClassVar[float] = 240
    idleTimeOut: ClassVar[float] = 300
    drainTimeOut: ClassVar[float] = 1
    closeTimeOut: ClassVar[float] = 20
    maxRequestLine: ClassVar[int] = 8_190
    maxHeaderLength: ClassVar[int] = 10_240
    maxHeaderCount: ClassVar[int] = 100
    maxContentLength: ClassVar[int] = 2**30
    maxUnread: ClassVar[int] = 65_536
    allowPersistentConnections: bool = True
    requestFactory: Any = None
    exchangeFactory: type[ChannelRequest] = ChannelRequest
    everyAnswer: EveryAnswer


def configured(channel: type[_Channel], settings: dict[str, Any]) -> type[_Channel]:
    """A class of channels with these settings. Raises TypeError for what is none of them."""
    unknown = settings.keys() - ChannelSettings.__annotations__.keys()
    if unknown:
        raise TypeError(f"HTTPChannel has no setting of the name {', '.join(sorted(unknown))}")
    settings.setdefault("everyAnswer", EveryAnswer())
    made: Any = type(channel.__name__, (channel,), settings)
    made.head = RequestHead(made.maxRequestLine, made.maxHeaderLength, made.maxHeaderCount)
    made.tick = min(
        *(made.betweenRequestsTimeOut, made.inputTimeOut, made.idleTimeOut, made.closeTimeOut)
    )
    if made.tick <= 0:
        raise ValueError("a time-out is more than 0 seconds")
    result: type[_Channel] = made
    return result
