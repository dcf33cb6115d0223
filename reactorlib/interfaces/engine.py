"""The seam between the reactor and the compiled engine.

What is reported, and what is asked for, are numbers: those of
`reactorlib.backends.events`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zope.interface import Attribute, Interface


class IEngine(Interface):
    """Does the I/O for a reactor and reports what has happened.

    Descriptors are taken in with `add` and known by their handle from then
    on, an integer that is never used twice. A call with a handle that is
    dead does nothing. Only `wake` may be called from another thread than the
    one that turns; other calls from there raise RuntimeError, and in a forked
    child every call does.
    """

    name: str = Attribute("The backend's name, such as `epoll`.")
    arena: Any = Attribute("What slices give the bytes of this turn's EVENT_DATA.")

    def turn(seconds: float) -> Iterable[tuple[int, int, int, int]]:
        """Flush, wait, do the I/O; what happened, as (kind, handle, a, b).

        The kinds are those of `reactorlib.backends.events`. Waits at most
        `seconds`, without end if that is negative, and not at all if there
        is something to report. The records stay good for ever, the bytes in
        `arena` until the next turn.
        """

    def add(descriptor: int, kind: int) -> int:
        """Take in a non-blocking descriptor, closed by the engine in the end.

        Raises SelectLimitError if the backend cannot hold so large a number,
        OSError if the kernel refuses; the descriptor stays the caller's then.
        """

    def detach(handle: int) -> int:
        """Forget a handle without closing; its descriptor, or -1 if dead."""

    def descriptor(handle: int) -> int:
        """The descriptor under a handle, or -1 if it is dead."""

    def watch(handle: int, readable: bool, writable: bool) -> None:
        """Choose what is reported of a descriptor added to be watched."""

    def notify(handle: int, mask: int) -> None:
        """Choose which NOTIFY_… events a stream reports."""

    def write(handle: int, data: bytes, size: int) -> int:
        """Accept bytes for sending at the end of the turn.

        Returns 0; 1 when this goes past the high-water mark; or a negative
        errno, which `explain_write` takes.
        """

    def send_to(handle: int, data: bytes, size: int, receiver: int) -> int:
        """Queue a datagram to a packed IPv4 address, or -1 where the socket is connected.

        Returns 0 or a negative errno, which `explain_write` takes: ENOBUFS when
        too much is queued.
        """

    def send_to_bytes(
        handle: int, data: bytes, size: int, receiver: bytes, receiver_size: int
    ) -> int:
        """The same to a packed IPv6 address, or to the name of a UNIX socket."""

    def set_longest(handle: int, size: int) -> None:
        """Cut off what is longer of each datagram received."""

    def take_descriptors(handle: int) -> None:
        """Report the descriptors that come over a UNIX stream, from now on."""

    def pass_descriptor(handle: int, descriptor: int) -> bool:
        """Take a descriptor over, and send it with the next byte written.

        Returns whether it was taken: after the end it is not. Raises OSError
        (ETOOMANYREFS) if too many wait; it stays the caller's then.
        """

    def send_file(handle: int, descriptor: int, offset: int, count: int) -> bool:
        """Send a part of a file between what was written before and what will be.

        It is in `buffered` and `sent`, but not for the water marks. EVENT_FILE_SENT tells
        its end; the descriptor may be closed at once. Returns whether it was taken:
        after the end it is not. Raises OSError for what is no stream, no descriptor, or
        an empty part, and if there is no descriptor left.
        """

    def set_limits(handle: int, low: int, high: int, cap: int) -> None:
        """Set the water marks and the hard cap of one stream's output."""

    def buffered(handle: int) -> int:
        """Bytes accepted and not yet given to the kernel."""

    def sent(handle: int) -> int:
        """Bytes given to the kernel so far."""

    def pause(handle: int) -> None:
        """Read or accept no more from the next turn on."""

    def resume(handle: int) -> None:
        """Undo `pause`."""

    def shut(handle: int) -> None:
        """End the writing side after what is buffered."""

    def lose(handle: int) -> None:
        """Close after what is buffered; ends in one EVENT_LOST."""

    def abort(handle: int) -> None:
        """Close at once, with a reset; ends in one EVENT_LOST."""

    def wake() -> None:
        """End the wait of a turn that is under way, from any thread."""

    def wake_descriptor() -> int:
        """A descriptor to which a signal handler may write a byte to wake."""

    def own(owned: bool) -> None:
        """Bind the engine to the calling thread, or free it from it."""

    def counters() -> dict[str, int]:
        """Numbers of now and since the start.

        `open` descriptors, of which `lingering` wait for their peer's end; and since the
        start: connections `accepted`, bytes `received` and `sent`, `turns`, and the
        `events` that they reported.
        """

    def survey() -> ISurvey:
        """One looker's view of all connections. It costs nothing but when he looks."""

    def close() -> None:
        """Close all descriptors that were added, but those only watched."""

    def spawn(program: Any) -> int:
        """Start a `reactorlib.program.Program`; its process id, once it runs.

        It gets the descriptors that it names and no other one. Raises the
        OSError that says why it cannot be started; no child is left then.
        """


class ISurvey(Interface):
    """One looker at the connections of an engine: he compares with his own last look."""

    def look() -> Any:
        """What there is now: see `reactorlib.backends.survey.Surveyed`.

        Connections are streams over sockets, accepted or made. Another thread than the
        engine's gets RuntimeError.
        """
