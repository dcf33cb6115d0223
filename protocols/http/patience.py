"""How long a connection of a web server waits for its client, and for what.

Facts, then decision:

- A timer that is moved for each request costs more than many a request. So a connection's
  one timer looks, at least once in the shortest of its time-outs, at how long has been
  waited for what.
- A client that reads, or sends, one byte now and then is waiting to some purpose of its
  own. A body has to come at a least rate, but for the time in which we do not read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reactorlib.protocols.http.channel import HTTPChannel
    from reactorlib.protocols.http.chanrequest import ChannelRequest


class Patience:
    """Ends what a channel waits for in vain. The channel tells when its waiting began."""

    __slots__ = ("_channel", "_pace", "_taken", "_timer")

    def __init__(self, channel: HTTPChannel) -> None:
        self._channel = channel
        self._taken = -1  # bytes that the client had read when that was looked at last
        self._pace: Pace | None = None  # of a body that has been coming for a while
        self._timer = channel.transport.reactor.callLater(channel.tick, self._look)

    def look_soon(self) -> None:
        """What is waited for has changed."""
        if self._timer.active():
            self._timer.reset(0)

    def end(self) -> None:
        """Wait for nothing any more."""
        self._timer.cancel()

    def came(self, count: int) -> None:
        """So many bytes of a body have come."""
        if self._pace is not None:
            self._pace.came += count

    def stop(self) -> None:
        """From now on it is we who do not read."""
        if self._pace is not None:
            self._pace.stop(self._channel.seconds())

    def go_on(self) -> None:
        """We read again."""
        if self._pace is not None:
            self._pace.go_on(self._channel.seconds())

    def _look(self) -> None:
        """Called at least once in each time-out: has what is waited for taken too long?"""
        channel = self._channel
        now = channel.seconds()
        if self._reads():
            channel.since = now
        left = min(channel.since + self._seconds - now, self._seconds_of_body(now))
        if left <= 0:
            self._time_out()
            channel.since = channel.seconds()
            left = self._seconds
        self._timer = channel.transport.reactor.callLater(min(left, channel.tick), self._look)

    @property
    def _seconds(self) -> float:
        """For how many seconds what is waited for may take."""
        channel = self._channel
        if channel.closing:
            return channel.closeTimeOut
        if channel.awaits_body or (channel.awaits_head and not channel.draining):
            return channel.inputTimeOut
        if channel.requests or self._waits:
            return channel.idleTimeOut
        return channel.betweenRequestsTimeOut

    def _seconds_of_body(self, now: float) -> float:
        """For how many seconds more a body may come as slowly as it does."""
        channel = self._channel
        if channel.receiving is None or not channel.minimumRate:
            self._pace = None
            return channel.inputTimeOut
        if self._pace is None or self._pace.of is not channel.receiving:
            self._pace = Pace(channel.receiving, channel.minimumRate, channel.inputTimeOut, now)
        return self._pace.left(now) if channel.awaits_body else channel.inputTimeOut

    def _time_out(self) -> None:
        channel = self._channel
        if channel.closing:
            channel.abort(False)
        elif channel.awaits_body or channel.awaits_head:
            channel.refuse_slow()
        elif self._waits:
            channel.abort(False)
        elif not channel.requests:
            channel.close()

    @property
    def _waits(self) -> bool:
        """Whether there was something for the client to read at the last look."""
        return self._taken >= 0

    def _reads(self) -> bool:
        """Whether something began to wait for the client, or it has read some of it.

        One that is to send something is not given more time for what it reads.
        """
        channel = self._channel
        waiting = channel.transport.bufferedBytes
        before, self._taken = self._taken, channel.accepted if waiting else -1
        owes = channel.awaits_head or channel.awaits_body
        return before != self._taken and (channel.closing or not owes)


class Pace:
    """How far a body is behind the least rate that it must come with."""

    __slots__ = ("_allowed", "_last", "_left", "_rate", "came", "of")

    def __init__(self, of: ChannelRequest, rate: float, allowed: float, now: float) -> None:
        self.of = of
        self.came = 0  # bytes since the last look
        self._rate = rate
        self._allowed = self._left = allowed  # seconds
        self._last = now

    def left(self, now: float) -> float:
        """For how many seconds more nothing may come."""
        self.stop(now)
        return self._left

    def stop(self, now: float) -> None:
        """The time until now counts, and what has come by then."""
        self._left += self.came / self._rate - (now - self._last)
        self._left = min(self._left, self._allowed)
        self.came = 0
        self._last = now

    def go_on(self, now: float) -> None:
        """The time until now does not count."""
        self._last = now
