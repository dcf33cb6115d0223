"""Looks as Prometheus reads them: its text format, version 0.0.4.

Each sample says which process it is of, by `worker` (empty without workers) and
`process`: while workers are replaced, two of the same number are there at once, and no
two samples may have the same labels. What has no bound, such as peers, is no label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from reactorlib._version import __version__
from reactorlib.app.status.look import Look

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]
Samples = Iterable[tuple[Labels, float]]


def _one(name: str) -> Callable[[Look], Samples]:
    return lambda look: [({}, getattr(look, name))]


def _connections(look: Look) -> Samples:
    return [({"state": state}, count) for state, count in look.connections.items()]


def _of_queues(name: str) -> Callable[[Look], Samples]:
    def samples(look: Look) -> Samples:
        totals: dict[str, int] = {}  # a process may have several sockets at one address
        for queue in look.queues:
            totals[queue.address] = totals.get(queue.address, 0) + getattr(queue, name)
        return [({"address": address}, total) for address, total in totals.items()]

    return samples


def _info(look: Look) -> Samples:
    return [({"version": __version__, "backend": look.backend, "name": look.name}, 1)]


def _slowest(look: Look) -> Samples:
    return [({}, max((call.seconds for call in look.slowest), default=0.0))]


# What ends in _total is a counter, the rest are gauges.
METRICS: dict[str, tuple[str, Callable[[Look], Samples]]] = {
    "info": ("What runs there; always 1.", _info),
    "uptime_seconds": ("Since the process began.", _one("uptime")),
    "draining": ("1 while it leaves, else 0.", _one("draining")),
    "connections": ("Connections by state.", _connections),
    "accepted_connections_total": ("Connections that were accepted.", _one("accepted")),
    "received_bytes_total": ("What came in on connections.", _one("received")),
    "sent_bytes_total": ("What went out on connections.", _one("sent")),
    "turns_total": ("Turns of the loop.", _one("turns")),
    "events_total": ("What the turns brought.", _one("events")),
    "lag_seconds": ("How late the loop was at worst, since the last look.", _one("lag")),
    "slowest_callback_seconds": ("The longest of a callback, since the last look.", _slowest),
    "buffered_bytes": ("What waits to be sent.", _one("buffered")),
    "descriptors": ("Descriptors that are open.", _one("descriptors")),
    "descriptor_limit": ("How many may be open.", _one("descriptor_limit")),
    "resident_memory_bytes": ("Memory that is resident.", _one("memory")),
    "processor_seconds_total": ("Processor time that was used.", _one("processor")),
    "accept_queue_connections": ("Connections that wait to be accepted.", _of_queues("waiting")),
    "accept_queue_limit": ("How many may wait to be accepted.", _of_queues("limit")),
}


def as_text(looks: Sequence[Look]) -> bytes:
    """All metrics of all these."""
    return "".join(f"{line}\n" for name in METRICS for line in _lines(name, looks)).encode()


def _lines(name: str, looks: Sequence[Look]) -> Iterator[str]:
    help, samples = METRICS[name]
    kind = "counter" if name.endswith("_total") else "gauge"
    yield f"# HELP reactorlib_{name} {help}"
    yield f"# TYPE reactorlib_{name} {kind}"
    for look in looks:
        worker = "" if look.worker is None else str(look.worker)
        process = {"worker": worker, "process": str(look.process)}
        for labels, value in samples(look):
            yield f"reactorlib_{name}{{{_labels({**process, **labels})}}} {float(value)!r}"


def _labels(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
