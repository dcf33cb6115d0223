"""What commands share that listen: where, and whether with TLS.

`--listen` names any number of endpoints. Without it there is one TCP port, which the
command's own arguments and the TLS flags describe. `--status` names one more, which tells
how the process does: it is opened first, and open until the process ends.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from reactorlib.app import naming
from reactorlib.app.flags import (
    add_flag,
    add_repeated_flag,
    address,
    port_number,
    positive,
    seconds,
)
from reactorlib.app.mistakes import UserMistake
from reactorlib.endpoints.strings import InvalidEndpoint, isKind, serverFromString, unparse
from reactorlib.error import NoProtocol, ReactorNotRunning
from reactorlib.failure import Failure
from reactorlib.interfaces import IListeningPort
from reactorlib.protocol import Factory
from reactorlib.protocols.wrapping import WrappingFactory

STATUS = "reactorlib.app.status.page"  # loaded when it is asked for: it brings the web server

# Each with the field of a `tls` endpoint.
TLS_FLAGS = {
    "--ssl-certfile": "certKey",
    "--ssl-keyfile": "privateKey",
    "--ssl-keyfile-password": "password",
    "--ssl-ca-certs": "caCerts",
}


def add_listening_flags(parser: argparse.ArgumentParser, port: int) -> None:
    """`--port`, `--host`, and those of add_endpoint_flags."""
    add_flag(
        parser, "--port", type=port_number, default=port, metavar="PORT", help=f"default {port}"
    )
    add_flag(
        parser,
        "--host",
        default="",
        metavar="ADDRESS",
        help="the interface, default every IPv4 one",
    )
    add_endpoint_flags(parser)
    parser.set_defaults(tcp_place=lambda options: (options.host, options.port))


def add_endpoint_flags(parser: argparse.ArgumentParser) -> None:
    """`--listen`, and the flags of TLS."""
    add_repeated_flag(
        parser,
        "--listen",
        metavar="ENDPOINT",
        help="listen here instead, such as tcp:8080:interface=127.0.0.1, unix:/run/web.sock, "
        "systemd:0, fd:3, tls:443:privateKey=key.pem:certKey=chain.pem, or haproxy: before "
        "one of these; can be given more than once",
    )
    group = parser.add_argument_group("TLS, without --listen")
    helps = (
        "speak TLS with this certificate and its chain (PEM)",
        "the key, where that is another file",
        "what opens an encrypted key",
        "let only clients in whom these have signed",
    )
    for flag, text in zip(TLS_FLAGS, helps, strict=True):
        metavar = "TEXT" if flag.endswith("password") else "FILE"
        add_flag(group, flag, metavar=metavar, help=text)
    add_flag(
        parser,
        "--workers",
        type=count_of_workers,
        metavar="N",
        help="serve with N processes, which are looked after; auto: one for each processor",
    )
    add_flag(
        parser,
        "--timeout-graceful-shutdown",
        "--graceful-timeout",
        dest="graceful_timeout",
        type=seconds,
        default=30.0,
        metavar="SECONDS",
        help="at the end, let requests finish for so long, default 30; with --workers, "
        "connections of any protocol",
    )
    add_flag(
        parser,
        "--status",
        type=status_place,
        metavar="ADDRESS",
        help="tell browsers, Prometheus and health checks there how it does: HOST:PORT, PORT "
        "for this machine only, or an endpoint such as unix:/run/status.sock",
    )


def status_place(text: str) -> str:
    """The endpoint of HOST:PORT or PORT, or of a description of one."""
    first, colon, _ = text.partition(":")
    if colon and first[:1].isalpha() and isKind(first):
        return text
    try:
        host, port = address(text if colon else f"127.0.0.1:{text}")
    except argparse.ArgumentTypeError as mistake:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither HOST:PORT, PORT nor an endpoint: {mistake}"
        ) from mistake
    return unparse(("tcp", str(port)), {"interface": host} if host else {})


def count_of_workers(text: str) -> int:
    """A number of processes, or as many as there are processors for this one."""
    if text == "auto":
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
    return positive(text)


def listen(reactor: Any, options: argparse.Namespace, factory: Any) -> None:
    """Listen as the flags say, and print where. Raises UserMistake, CannotListenError."""
    if options.listen == ["stdio"]:
        factory = _OnlyConnection(factory)
    for description in descriptions(options):
        keep = partial(options.drain.add, factory=factory)
        _listen(reactor, options, description, factory, keep)


def open_status(
    reactor: Any, options: argparse.Namespace, open_view: Callable[[], Any], program: Any
) -> None:
    """Have what views tell served where the flag says, until the end. `program` has a `state`.

    Raises as listen does.
    """
    if options.status is not None:
        page = importlib.import_module(STATUS)
        site = page.site(options.command, reactor, open_view, lambda: program.state)
        _listen(reactor, options, options.status, site, _uncounted, "status")


def descriptions(options: argparse.Namespace) -> list[str]:
    """The endpoints that the flags name."""
    tls = _tls_fields(options)
    if options.listen:
        named: list[str] = options.listen
        return named
    host, port = options.tcp_place(options)
    place = {"interface": host} if host else {}
    if "backlog" in options:
        place["backlog"] = str(options.backlog)
    return [unparse(("tls" if tls else "tcp", str(port)), {**place, **tls})]


def check_places(reactor: Any, options: argparse.Namespace) -> None:
    """See whether they are endpoints, with all that they need. Raises UserMistake."""
    for description in descriptions(options):
        _endpoint(reactor, options, description)
    if options.status is not None:
        _endpoint(reactor, options, options.status)


def open_places(opener: Any, options: argparse.Namespace) -> None:
    """Open all of them for processes that will serve them, and print where."""
    for description in descriptions(options):
        try:
            _listen(opener, options, description, Factory(), lambda port: port)
        except UserMistake as mistake:
            if not isinstance(mistake.__cause__, NoProtocol):  # nothing to accept from
                raise
            text = f"--workers have no socket to share at {description}"
            raise UserMistake(text, 2) from mistake


class _OnlyConnection(WrappingFactory):
    """No other can come, so the program ends with it: who started it for that one waits."""

    def unregisterProtocol(self, p: Any) -> None:
        super().unregisterProtocol(p)
        with contextlib.suppress(ReactorNotRunning):  # the program is ending already
            self.reactor.stop()


def _tls_fields(options: argparse.Namespace) -> dict[str, str]:
    """The fields of a `tls` endpoint that its flags give; none without TLS."""
    fields = {name: getattr(options, _attribute(flag)) for flag, name in TLS_FLAGS.items()}
    tls = {name: value for name, value in fields.items() if value is not None}
    if not tls:
        return {}
    if options.listen:
        raise UserMistake("the TLS flags are not for --listen: write tls:PORT:… there", 2)
    if "certKey" not in tls:
        raise UserMistake("TLS needs a certificate: --ssl-certfile", 2)
    return {"privateKey": tls["certKey"], **tls}


def _attribute(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def _listen(
    reactor: Any,
    options: argparse.Namespace,
    description: str,
    factory: Any,
    keep: Callable[[Any], Any],
    name: str = "",
) -> None:
    """`keep` is given the port, and gives it back; `name` is told, in place of the command's."""
    failures: list[Failure] = []
    listening = _endpoint(reactor, options, description).listen(factory).addCallback(keep)
    if not options.is_worker:
        listening.addCallback(partial(_announce, reactor, name or options.command))
    listening.addErrback(failures.append)
    if failures:
        _raise(failures[0])
    listening.addBoth(lambda _: end(reactor, failures))


def _uncounted(port: Any) -> Any:
    """Who asks how a program does must learn it when that can take nobody else, too."""
    port.counted = False
    return port


def _endpoint(reactor: Any, options: argparse.Namespace, description: str) -> Any:
    try:
        return serverFromString(reactor, description)
    except InvalidEndpoint as mistake:
        wrong_usage = isinstance(mistake.__cause__, ValueError)
        is_written = description in (*options.listen, options.status)
        text = str(mistake) if is_written else mistake.reason  # other flags are not quoted
        raise UserMistake(text, 2 if wrong_usage else 1) from mistake


def _raise(failure: Failure) -> None:
    """What the system refuses, or the factory, is no fault of the program."""
    if failure.check(OSError, NoProtocol):
        raise UserMistake(failure.getErrorMessage()) from failure.value
    failure.raiseException()


def end(reactor: Any, failures: list[Failure]) -> None:
    """A plugin's endpoint may find out late that it cannot listen."""
    for failure in failures:
        reactor.callSoon(sys.exit, f"reactorlib: {failure.getErrorMessage()}")


def _announce(reactor: Any, name: str, port: Any) -> None:
    """Tell on standard output that a port answers, once signals are handled too.

    One line, for scripts to read. What is no port, and so has no place, is not told.
    """
    if IListeningPort.providedBy(port):
        line = f"{name} on {naming.place(port.getHost())} ({reactor.name})"
        reactor.callWhenRunning(partial(print, line, flush=True))
