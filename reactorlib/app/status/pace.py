"""How late a reactor's loop is, and which callbacks make it so, while somebody looks.

Lateness is that of a timer. Callbacks are timed for a part of the time only, so that
who looks at a busy server does not slow it down; for a larger part after the loop was
late, which is when somebody wants to know why.
"""

from __future__ import annotations

from typing import Any

from reactorlib.app.status.look import SlowCall

TICK = 0.05  # seconds between two looks at the clock
SHARE = 8  # callbacks are timed in one tick of so many
SHARE_OF_LATE = 4  # ... once the loop was late
LATE = 0.02  # seconds
HEAT = 10.0  # seconds that this goes on
SLOW = 0.005  # seconds that a callback takes to be worth showing
SHOWN = 5


class Pace:
    """Measures from its making to `close`."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._worst = 0.0
        self._slow: dict[str, float] = {}
        self._ticks = 0
        self._hot_until = 0.0
        self._begin_tick()

    def take(self) -> tuple[float, list[SlowCall]]:
        """How late the loop was at worst since this was asked last, and the slowest callbacks."""
        self._notice(self._reactor.seconds())
        worst, self._worst = self._worst, 0.0
        slow, self._slow = self._slow, {}
        return worst, [SlowCall(what, seconds) for what, seconds in slow.items()]

    def close(self) -> None:
        """Measure no more."""
        self._call.cancel()
        self._time(False)

    def _begin_tick(self) -> None:
        hot = self._reactor.seconds() < self._hot_until
        self._time(self._ticks % (SHARE_OF_LATE if hot else SHARE) == 0)
        self._ticks += 1
        self._call = self._reactor.callLater(TICK, self._tick)

    def _tick(self) -> None:
        self._notice(self._reactor.seconds())
        self._begin_tick()

    def _notice(self, now: float) -> None:
        late = now - self._call.getTime()
        self._worst = max(self._worst, late)
        if late > LATE:
            self._hot_until = now + HEAT

    def _time(self, wanted: bool) -> None:
        self._reactor.timeCallbacks(self._tell, SLOW if wanted else None)

    def _tell(self, seconds: float, owner: str) -> None:
        self._slow[owner] = max(seconds, self._slow.get(owner, 0.0))
        slowest = sorted(self._slow, key=self._slow.__getitem__, reverse=True)
        self._slow = {each: self._slow[each] for each in slowest[:SHOWN]}
