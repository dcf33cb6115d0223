"""Serve files, an application, or another server's answers over HTTP/1.1."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import Any

from reactorlib import tcp
from reactorlib.app.applications import Application, make, named
from reactorlib.app.background import BackgroundHandler
from reactorlib.app.commands.listening import (
    add_listening_flags,
    check_places,
    end,
    listen,
)
from reactorlib.app.flags import add_flag, add_switch, positive, some_seconds
from reactorlib.app.mistakes import UserMistake
from reactorlib.app.settings import describe
from reactorlib.app.website import Farewell, endAfter
from reactorlib.app.welcome import Welcome
from reactorlib.defer import Deferred
from reactorlib.endpoints.strings import unparse
from reactorlib.error import CannotListenError
from reactorlib.failure import Failure
from reactorlib.protocols.http.accesslog import FORMATS, AccessLog, access
from reactorlib.protocols.http.channel import HTTPChannel
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.forwarded import believing
from reactorlib.protocols.http.server import Site

CONNECTIONS = 10_000
KEEP_ALIVE = float(HTTPChannel.betweenRequestsTimeOut)
PROXIES = "127.0.0.1,::1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to serve, by default a page that says that it works")
    what.add_argument("path", metavar="PATH", nargs="?", help="a directory, or one file")
    place: dict[str, Any] = {"metavar": "FILE_OR_MODULE:ATTRIBUTE"}
    add_flag(what, "--wsgi", help="a WSGI application, called in threads", **place)
    add_flag(what, "--asgi", help="an ASGI application", **place)
    add_flag(what, "--resource", help="a resource, for the root of a Site", **place)
    add_flag(what, "--proxy", help="what another server answers", metavar="URL")
    add_flag(
        what,
        "--root-path",
        default="",
        metavar="PATH",
        help="where the application stands for the outside",
    )
    add_listening_flags(parser, 8080)
    add_flag(parser, "--uds", metavar="PATH", help="listen on this UNIX socket instead")
    add_flag(parser, "--fd", type=int, metavar="N", help="listen on this descriptor, which is open")
    add_flag(
        parser,
        "--backlog",
        type=positive,
        default=tcp.BACKLOG,
        metavar="N",
        help=f"connections that may wait for us, without --listen; default {tcp.BACKLOG}",
    )
    _add_limits(parser)
    _add_logging(parser)
    add_switch(
        parser,
        "--reload",
        help="replace workers when a Python file below the working directory changes: for "
        "development; one worker, without --workers",
    )
    add_switch(parser, "--check-config", help="check flags and load what is served; open no port")
    add_switch(parser, "--print-config", help="print what is set, and where, and serve nothing")
    parser.set_defaults(prepare=prepare)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_argument_group("limits")
    add_flag(
        limits,
        "--limit-concurrency",
        type=positive,
        metavar="N",
        help="answer 503 beyond so many connections; "
        f"default that of --max-connections, or {CONNECTIONS}",
    )
    add_flag(
        limits,
        "--limit-max-requests",
        type=positive,
        metavar="N",
        help="end after so many requests; a worker is replaced; by default never",
    )
    add_flag(
        limits,
        "--timeout-keep-alive",
        type=some_seconds,
        default=KEEP_ALIVE,
        metavar="SECONDS",
        help=f"wait so long for the next request, default {KEEP_ALIVE:g}",
    )
    add_switch(
        limits,
        "--proxy-headers",
        help="believe X-Forwarded-For and X-Forwarded-Proto of --forwarded-allow-ips",
    )
    add_flag(
        limits,
        "--forwarded-allow-ips",
        default=PROXIES,
        metavar="NETWORKS",
        help=f"proxies to believe, with commas; * is everybody; default {PROXIES}",
    )


def _add_logging(parser: argparse.ArgumentParser) -> None:
    add_switch(
        parser,
        "--no-access-log",
        "--access-log",
        default=True,
        help="log each answer to stdout, or not; default on",
    )
    add_flag(
        parser,
        "--access-log-format",
        choices=tuple(FORMATS),
        default="combined",
        metavar="FORMAT",
        help=" or ".join(FORMATS) + "; default combined",
    )


def prepare(reactor: Any, options: argparse.Namespace) -> bool:
    """Check what the flags say together; returns whether there is something to serve."""
    _name_place(options)
    if options.reload and options.workers is None:
        options.workers = 1
    named(options)
    _forwarding(options)
    if options.print_config:
        print(describe(options))
    if options.check_config:
        check_places(reactor, options)
        _site(reactor, options)
    return not (options.print_config or options.check_config)


def _name_place(options: argparse.Namespace) -> None:
    """Have `--uds` and `--fd` be endpoints."""
    if options.uds is None and options.fd is None:
        return
    if options.listen or None not in (options.uds, options.fd):
        raise UserMistake("--listen, --uds and --fd: one of these at a time", 2)
    if options.uds is not None:
        options.listen = [unparse(("unix", options.uds), {"backlog": str(options.backlog)})]
    else:
        options.listen = [f"fd:{options.fd}"]


def start(reactor: Any, options: argparse.Namespace) -> Deferred[None] | None:
    """Serve. An application that takes its time to start is waited for."""
    site, application = _site(reactor, options)
    if options.access_log:
        _log(site, options.access_log_format, options.log_config is None)
    if options.limit_max_requests is not None:
        endAfter(options.limit_max_requests, site, reactor)
    if application.lifespan is None:
        listen(reactor, options, site)
        return None
    serves: Deferred[None] = Deferred()
    failures: list[Failure] = []
    Farewell(reactor, application.lifespan, options.graceful_timeout)
    begun = application.lifespan.startup().addCallback(lambda _: listen(reactor, options, site))
    begun.addCallback(serves.callback).addErrback(failures.append)
    if failures:
        _tell(failures[0])
    begun.addCallback(lambda _: end(reactor, failures))
    return serves


def _tell(failure: Failure) -> None:
    """What an application says of its start is no fault of the program."""
    if isinstance(failure.value, UserMistake | CannotListenError):
        failure.raiseException()
    raise UserMistake(f"the application does not start: {failure.getErrorMessage()}")


def _site(reactor: Any, options: argparse.Namespace) -> tuple[HTTPFactory, Application]:
    settings: dict[str, Any] = {
        "maxRequests": options.limit_concurrency or options.max_connections or CONNECTIONS,
        "betweenRequestsTimeOut": options.timeout_keep_alive,
        **_forwarding(options),
    }
    name = named(options)
    if name is None:
        return HTTPFactory(Welcome.on(reactor.name), **settings), Application(None)
    application = make(name, reactor, options)
    return Site(application.resource, **settings), application


def _forwarding(options: argparse.Namespace) -> dict[str, Any]:
    try:
        believes = believing(options.forwarded_allow_ips)
    except ValueError as mistake:
        raise UserMistake(f"--forwarded-allow-ips: {mistake}", 2) from mistake
    return {"exchangeFactory": believes} if options.proxy_headers else {}


def _log(site: HTTPFactory, format: str, to_stdout: bool) -> None:
    """Have each answer logged, by logger `reactorlib.access`."""
    if to_stdout:
        access.propagate = False
        access.setLevel(logging.INFO)
        access.addHandler(BackgroundHandler(sys.stdout))
    site.log = AccessLog(format)
