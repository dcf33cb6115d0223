"""What commands share that listen: where, and whether with TLS.

`--listen` names any number of endpoints. Without it there is one TCP port, which
`--port`, `--host` and the TLS flags describe.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Any

from reactorlib.address import UNIXAddress
from reactorlib.app.flags import add_flag, add_repeated_flag, port_number
from reactorlib.app.mistakes import UserMistake
from reactorlib.endpoints.strings import InvalidEndpoint, serverFromString, unparse
from reactorlib.failure import Failure
from reactorlib.interfaces import IListeningPort

# Each with the field of a `tls` endpoint.
TLS_FLAGS = {
    "--ssl-certfile": "certKey",
    "--ssl-keyfile": "privateKey",
    "--ssl-keyfile-password": "password",
    "--ssl-ca-certs": "caCerts",
}


def add_listening_flags(parser: argparse.ArgumentParser, port: int) -> None:
    """`--port`, `--host`, `--listen` and the flags of TLS."""
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
    add_endpoint_flag(parser)
    _add_tls_flags(parser)


def add_endpoint_flag(parser: argparse.ArgumentParser) -> None:
    """`--listen`."""
    add_repeated_flag(
        parser,
        "--listen",
        metavar="ENDPOINT",
        help="listen here instead, such as tcp:8080:interface=127.0.0.1, unix:/run/web.sock, "
        "systemd:0, fd:3, tls:443:privateKey=key.pem:certKey=chain.pem, or haproxy: before "
        "one of these; can be given more than once",
    )


def _add_tls_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("TLS on --port")
    helps = (
        "speak TLS with this certificate and its chain (PEM)",
        "the key, where that is another file",
        "what opens an encrypted key",
        "let only clients in whom these have signed",
    )
    for flag, text in zip(TLS_FLAGS, helps, strict=True):
        metavar = "TEXT" if flag.endswith("password") else "FILE"
        add_flag(group, flag, metavar=metavar, help=text)


def listen(reactor: Any, options: argparse.Namespace, factory: Any) -> None:
    """Listen as the flags say, and print where. Raises UserMistake, CannotListenError."""
    fields = {name: getattr(options, _attribute(flag)) for flag, name in TLS_FLAGS.items()}
    tls = {name: value for name, value in fields.items() if value is not None}
    if options.listen:
        if tls:
            raise UserMistake("the TLS flags are for --port; with --listen write tls:PORT:…", 2)
        listen_at(reactor, options, factory)
        return
    if tls and "certKey" not in tls:
        raise UserMistake("TLS needs a certificate: --ssl-certfile", 2)
    if tls:
        tls.setdefault("privateKey", tls["certKey"])
    place = {"interface": options.host} if options.host else {}
    description = unparse(("tls" if tls else "tcp", str(options.port)), {**place, **tls})
    _listen(reactor, options, description, factory)


def _attribute(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def listen_at(reactor: Any, options: argparse.Namespace, factory: Any) -> None:
    """Listen at each place of `--listen`. Raises UserMistake, CannotListenError."""
    for description in options.listen:
        _listen(reactor, options, description, factory)


def _listen(reactor: Any, options: argparse.Namespace, description: str, factory: Any) -> None:
    failures: list[Failure] = []
    listening = _endpoint(reactor, options, description).listen(factory)
    listening.addCallbacks(partial(announce, reactor, options.command), failures.append)
    if failures:
        failures[0].raiseException()
    listening.addBoth(lambda _: _end(reactor, failures))


def _endpoint(reactor: Any, options: argparse.Namespace, description: str) -> Any:
    try:
        return serverFromString(reactor, description)
    except InvalidEndpoint as mistake:
        wrong_usage = isinstance(mistake.__cause__, ValueError)
        text = str(mistake) if options.listen else mistake.reason  # flags are not quoted
        raise UserMistake(text, 2 if wrong_usage else 1) from mistake


def _end(reactor: Any, failures: list[Failure]) -> None:
    """A plugin's endpoint may find out late that it cannot listen."""
    for failure in failures:
        reactor.callSoon(sys.exit, f"reactorlib: {failure.getErrorMessage()}")


def announce(reactor: Any, name: str, port: Any) -> None:
    """Tell on standard output that a port answers, once signals are handled too.

    One line, for scripts to read. What is no port, and so has no place, is not told.
    """
    if IListeningPort.providedBy(port):
        line = f"{name} on {_place(port.getHost())} ({reactor.name})"
        reactor.callWhenRunning(partial(print, line, flush=True))


def _place(address: Any) -> str:
    if isinstance(address, UNIXAddress):
        path = (address.name or b"").decode("utf-8", "backslashreplace")
        return "unix:" + path.replace("\0", "@", 1)
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"
