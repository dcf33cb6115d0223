"""What a site remembers of its clients between their requests, in memory.

It holds that there are never more sessions than a site allows: anybody can begin one with
each request, so the one that was left unused for longest makes room for a new one.
"""

from __future__ import annotations

from typing import Any

from reactorlib.defer import Deferred


class Session:
    """What is remembered of a client.

    Ends `sessionTimeout` seconds after it was last touched, or earlier, when its site has as
    many as it keeps (`Site.maxSessions`). Things are kept under attributes of one's own
    choice. `expired` tells whether it has ended.
    """

    sessionTimeout = 900.0

    def __init__(self, site: Any, uid: bytes, reactor: Any) -> None:
        self.site = site
        self.uid = uid
        self._call = reactor.callLater(self.sessionTimeout, self.expire)
        self._notifications: list[Deferred[None]] = []
        self.expired = False

    def touch(self) -> None:
        """It is in use. Without effect once it has ended."""
        if self.expired:
            return
        self._call.reset(self.sessionTimeout)
        sessions = self.site.sessions
        if self.uid in sessions:  # to the end: the first is the one unused for longest
            sessions[self.uid] = sessions.pop(self.uid)

    def notifyOnExpire(self) -> Deferred[None]:
        """Fires when it ends."""
        deferred: Deferred[None] = Deferred()
        self._notifications.append(deferred)
        return deferred

    def expire(self) -> None:
        """End it now, unless it has ended."""
        if self.expired:
            return
        self.expired = True
        self.site.sessions.pop(self.uid, None)
        if self._call.active():
            self._call.cancel()
        for deferred in self._notifications:
            deferred.callback(None)
