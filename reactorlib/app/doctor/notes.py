"""What does not bound the connections that are held, but surprises those who open them."""

from __future__ import annotations

from reactorlib.app.doctor.machine import Finding, Machine, Question
from reactorlib.app.doctor.words import count
from reactorlib.tcp import BACKLOG


def notes(machine: Machine, asked: Question) -> list[Finding]:
    """Everything of the kind that the system tells."""
    found = (
        _ports(machine, asked),
        _accept_queue(machine),
        _syn_queue(machine),
        _io_uring(machine),
    )
    return [each for each in found if each is not None]


def _ports(machine: Machine, asked: Question) -> Finding | None:
    """The classic trap of load tests, and of a proxy in front of the server.

    Linux gives connect() the even ports first; then it searches, ever longer.
    """
    if machine.ports is None or machine.port_range is None:
        return None
    low, high = machine.port_range
    state = (
        f"{low} to {high}: one source address makes {count(machine.ports)} connections "
        f"to one listening port, and the first {count(machine.ports // 2)} of them fast"
    )
    wanted = asked.connections or 0
    sources = -(-wanted // max(machine.ports, 1))
    advice = f"a load test, or a proxy in front, needs {count(sources)} source addresses"
    return Finding(
        "ports of clients",
        state,
        "sysctl net.ipv4.ip_local_port_range, on the clients' machines",
        advice=advice if sources > 1 else "",
        too_little=sources > 1,
    )


def _accept_queue(machine: Machine) -> Finding | None:
    if machine.somaxconn is None:
        return None
    short = machine.somaxconn < BACKLOG
    return Finding(
        "accept queue",
        f"{count(min(machine.somaxconn, BACKLOG))} connections may wait for each listening socket "
        f"(the system's {count(machine.somaxconn)}, reactorlib's backlog {count(BACKLOG)})",
        "sysctl net.core.somaxconn",
        advice=f"`sysctl -w net.core.somaxconn={BACKLOG}`, for bursts of connects" if short else "",
        too_little=short,
    )


def _syn_queue(machine: Machine) -> Finding | None:
    if machine.syn_backlog is None:
        return None
    cookies = "on" if machine.syn_cookies else "off"
    short = machine.syn_backlog < BACKLOG and not machine.syn_cookies
    return Finding(
        "half-open connections",
        f"{count(machine.syn_backlog)} for each listening socket, SYN cookies {cookies}",
        "sysctl net.ipv4.tcp_max_syn_backlog",
        advice=f"`sysctl -w net.ipv4.tcp_max_syn_backlog={BACKLOG}`" if short else "",
        too_little=short,
    )


def _io_uring(machine: Machine) -> Finding | None:
    if machine.io_uring_disabled is None:
        return None
    state = {0: "allowed to all", 1: "allowed to its group only"}.get(
        machine.io_uring_disabled, "switched off"
    )
    return Finding("io_uring", f"{state}; no backend needs it", "sysctl kernel.io_uring_disabled")
