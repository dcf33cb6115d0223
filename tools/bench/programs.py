"""Everything that can be measured: one line for each.

A program offers one service. A server prints its port on 127.0.0.1 as its
first line, with the number of the process that serves behind it if that is
another, and serves until it is terminated; a micro-benchmark prints one line
of JSON and ends. The same name may offer several services: `--servers twisted`
means all that is Twisted's.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """`source` is a .c or .py file of this folder; `ours` needs this checkout installed.

    `most_connections` is what it can hold at once. One that speaks `tls` is
    given the files of a private key and of its certificate as last arguments.
    One that speaks `udp` echoes datagrams.
    """

    name: str
    service: str
    source: str
    arguments: tuple[str, ...] = ()
    ours: bool = False
    most_connections: int = 1_000_000
    tls: bool = False
    udp: bool = False


def _our_echo(name: str, backend: str, most_connections: int = 1_000_000) -> Program:
    source = "servers/echo_reactorlib.py"
    return Program(name, "echo", source, (backend,), True, most_connections)


def _over_tls(name: str, source: str, *arguments: str, ours: bool = False) -> Program:
    return Program(name, "tls-echo", source, arguments, ours, tls=True)


def _by_udp(name: str, source: str, *arguments: str, ours: bool = False) -> Program:
    return Program(name, "udp-echo", source, arguments, ours, udp=True)


def _by_http(name: str, source: str, *arguments: str) -> tuple[Program, Program]:
    """The same server for requests that are answered with a greeting and with their body."""
    return Program(name, "http", source, arguments), Program(name, "http-post", source, arguments)


def _file(name: str, size: int) -> tuple[Program, Program, Program]:
    """A file of so many bytes, by nginx as it is, by one that keeps files open, and by us."""
    service, arguments = f"http-file-{name}", (str(size),)
    return (
        Program("nginx", service, "servers/http_nginx.py", arguments),
        Program("nginx-cached", service, "servers/http_nginx.py", (*arguments, "cached")),
        Program("reactorlib", service, "servers/http_file_reactorlib.py", arguments, ours=True),
    )


def _pair(service: str, source: str) -> tuple[Program, Program]:
    """The same script for Twisted and for us, since the names are the same."""
    return (
        Program("twisted", service, source, ("twisted.internet",)),
        Program("reactorlib", service, source, ("reactorlib",), ours=True),
    )


PROGRAMS: tuple[Program, ...] = (
    Program("c", "echo", "servers/echo.c"),
    Program("uvloop", "echo", "servers/echo_asyncio.py", ("uvloop",)),
    Program("asyncio", "echo", "servers/echo_asyncio.py", ("asyncio",)),
    Program("gevent", "echo", "servers/echo_gevent.py"),
    Program("twisted", "echo", "servers/echo_twisted.py"),
    _our_echo("reactorlib", "epoll"),
    _our_echo("reactorlib-poll", "poll"),
    _our_echo("reactorlib-select", "select", most_connections=1000),
    Program("reactorlib-standin", "echo", "servers/echo_kqueue_standin.py", ours=True),
    _over_tls("uvloop", "servers/echo_asyncio.py", "uvloop"),
    _over_tls("asyncio", "servers/echo_asyncio.py", "asyncio"),
    _over_tls("twisted", "servers/echo_twisted.py"),
    _over_tls("reactorlib", "servers/echo_reactorlib.py", "epoll", ours=True),
    _by_udp("c", "servers/udp_echo.c"),
    _by_udp("uvloop", "servers/udp_echo_asyncio.py", "uvloop"),
    _by_udp("asyncio", "servers/udp_echo_asyncio.py", "asyncio"),
    _by_udp("twisted", "servers/udp_echo_twisted.py"),
    _by_udp("reactorlib", "servers/udp_echo_reactorlib.py", "epoll", ours=True),
    Program("nginx", "http", "servers/http_nginx.py"),
    *_by_http("uvicorn", "servers/http_asgi.py", "uvicorn"),
    *_by_http("granian", "servers/http_asgi.py", "granian"),
    *_by_http("aiohttp", "servers/http_aiohttp.py"),
    *_by_http("socketify", "servers/http_socketify.py"),
    *_by_http("twisted", "servers/http_twisted.py"),
    Program("reactorlib", "http", "servers/http_reactorlib.py", ("hello",), ours=True),
    Program("reactorlib-site", "http", "servers/http_reactorlib.py", ("site",), ours=True),
    Program("reactorlib", "http-post", "servers/http_reactorlib.py", ("echo",), ours=True),
    *_file("1k", 1_000),
    *_file("100k", 100_000),
    *_file("10m", 10_000_000),
    Program("uvicorn", "asgi", "servers/http_asgi.py", ("uvicorn",)),
    Program("granian", "asgi", "servers/http_asgi.py", ("granian",)),
    Program("reactorlib", "asgi", "servers/http_asgi.py", ("reactorlib",), ours=True),
    Program("gunicorn", "wsgi", "servers/http_wsgi.py", ("gunicorn",)),
    Program("waitress", "wsgi", "servers/http_wsgi.py", ("waitress",)),
    Program("reactorlib", "wsgi", "servers/http_wsgi.py", ("reactorlib",), ours=True),
    Program("uvloop", "lines", "servers/lines_uvloop.py"),
    Program("uvloop-joined", "lines", "servers/lines_uvloop.py", ("joined",)),
    *_pair("lines", "servers/lines.py"),
    Program("uvloop", "netstrings", "servers/netstrings_uvloop.py"),
    *_pair("netstrings", "servers/netstrings.py"),
    *_pair("timers", "micro/timers.py"),
    *_pair("callbacks", "micro/callbacks.py"),
    *_pair("awaiting", "micro/awaiting.py"),
    *_pair("import", "micro/importing.py"),
    *_pair("endless line", "micro/endless_line.py"),
    *_pair("spawning", "micro/spawning.py"),
    Program("asyncio", "spawning", "micro/spawning_asyncio.py", ("asyncio",)),
    Program("uvloop", "spawning", "micro/spawning_asyncio.py", ("uvloop",)),
)
