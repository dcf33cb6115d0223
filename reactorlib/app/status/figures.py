"""What one process tells of itself: a Look at its reactor, and at what the system knows.

Figures are one looker's: what they compare with is his last look. Measuring begins with
them and ends with `close`; between two looks it costs a timer.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from collections.abc import Iterator
from time import process_time
from typing import Any

import psutil

from reactorlib import rlimit
from reactorlib.app import naming
from reactorlib.app.status.look import Busy, Look, Queue
from reactorlib.app.status.pace import Pace
from reactorlib.sockets import borrowed_socket

DESCRIPTORS = "/proc/self/fd"

# Of a listening socket, Linux tells in tcp_info how many connections wait in its queue,
# and how many may: tcpi_unacked and tcpi_sacked, behind eight bytes and four numbers.
_QUEUE = struct.Struct("=8x16xII")


class Subject:
    """A process that can be looked at: what does not change. `name` is its command's."""

    def __init__(self, reactor: Any, name: str) -> None:
        self.reactor = reactor
        self.name = name
        self.process = psutil.Process()
        self.began: float = reactor.seconds()


class Figures:
    """One looker at a subject."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._survey = subject.reactor.engine.survey()
        self._survey.look()  # what was before is nobody's to compare with
        self._pace = Pace(subject.reactor)

    def close(self) -> None:
        """Look no more."""
        self._pace.close()

    def look(self) -> Look:
        """What there is now. To be called in the reactor's thread."""
        reactor, process = self._subject.reactor, self._subject.process
        counters = reactor.engine.counters()
        seen = self._survey.look()
        lag, slowest = self._pace.take()
        now = reactor.seconds()
        return Look(
            process=process.pid,
            worker=None,
            name=self._subject.name,
            backend=reactor.name,
            draining=reactor.stopping,
            clock=now,
            uptime=now - self._subject.began,
            connections={
                "open": seen.open,
                "paused": seen.paused,
                "closing": seen.closing,
                "lingering": seen.lingering,
            },
            accepted=counters["accepted"],
            received=counters["received"],
            sent=counters["sent"],
            turns=counters["turns"],
            events=counters["events"],
            lag=lag,
            buffered=seen.buffered,
            descriptors=_descriptors(process),
            descriptor_limit=rlimit.read().soft,
            memory=process.memory_info().rss,
            processor=process_time(),
            queues=list(_queues(reactor, seen.listeners)),
            slowest=slowest,
            busiest=list(_busiest(reactor, seen.busiest)),
        )


def _descriptors(process: Any) -> int:
    """Since 6.2 Linux tells their number at once; to count them takes long if they are many."""
    with contextlib.suppress(OSError):
        count = os.stat(DESCRIPTORS).st_size
        if count:
            return count
    return int(process.num_fds())


def _queues(reactor: Any, listeners: list[int]) -> Iterator[Queue]:
    if sys.platform != "linux":
        return
    for handle in listeners:
        with (
            contextlib.suppress(OSError),
            borrowed_socket(reactor.engine.descriptor(handle)) as sock,
        ):
            told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _QUEUE.size)
            yield Queue(naming.place(reactor.sinks[handle].getHost()), *_QUEUE.unpack(told))


def _busiest(reactor: Any, moved: list[Any]) -> Iterator[Busy]:
    for each in moved:
        sink = reactor.sinks.get(each.handle)
        connection = getattr(sink, "connection", sink)
        if connection is not None:
            yield Busy(
                _peer(connection), _protocol(connection), each.received, each.sent, each.buffered
            )


def _peer(connection: Any) -> str:
    with contextlib.suppress(Exception):  # a wrapper's, or gone
        return naming.place(connection.getPeer())
    return "?"


def _protocol(connection: Any) -> str:
    """What a protocol calls itself is the program's own code."""
    with contextlib.suppress(Exception):
        return str(connection.logPrefix())
    return type(connection).__name__
