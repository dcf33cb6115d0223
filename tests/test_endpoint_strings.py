"""Endpoints as strings: how they are read, what is said of wrong ones, and plugins."""

from __future__ import annotations

import contextlib
import importlib.metadata
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zope.interface import implementer
from zope.interface.verify import verifyObject

from reactorlib.endpoints import (
    InvalidEndpoint,
    clientFromString,
    quoteStringArgument,
    serverFromString,
)
from reactorlib.endpoints.strings import _PARSERS, ENTRY_POINTS, split, unparse
from reactorlib.interfaces import (
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from tests.deferreds import result_of


class Reactor:
    """Writes down what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: self.calls.append((name, arguments, options))


def listened(description: str) -> Any:
    """The call that listening there makes, without its factory."""
    reactor = Reactor()
    endpoint = serverFromString(reactor, description)
    verifyObject(IStreamServerEndpoint, endpoint)
    result_of(endpoint.listen(None))
    ((name, arguments, options),) = reactor.calls
    assert None in arguments
    return name, arguments[: arguments.index(None)], options


def connected(description: str) -> Any:
    """The call that connecting there makes, without its factory."""
    reactor = Reactor()
    endpoint = clientFromString(reactor, description)
    verifyObject(IStreamClientEndpoint, endpoint)
    endpoint.connect(None)
    ((name, (*arguments, _factory), options),) = reactor.calls
    return name, tuple(arguments), options


class TestGrammar:
    @pytest.mark.parametrize(
        ("text", "args", "kwargs"),
        [
            ("tcp:80", ["tcp", "80"], {}),
            ("tcp:80:a=b:c", ["tcp", "80", "c"], {"a": "b"}),
            ("", [""], {}),
            (":", ["", ""], {}),
            ("a=b", [], {"a": "b"}),
            ("a=b=c:d==", [], {"a": "b=c", "d": "="}),
            (r"a\:b:c\=d:e\\:\f", ["a:b", "c=d", "e\\", "f"], {}),
            (r"a\=b=c\:d", [], {"a=b": "c:d"}),
            ("=", [], {"": ""}),
        ],
    )
    def test_fields(self, text: str, args: list[str], kwargs: dict[str, str]) -> None:
        assert split(text) == (args, kwargs)

    @pytest.mark.parametrize("text", ["a:b=1:b=2", "=:=", "a\\", "\\"])
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"twice|backslash"):
            split(text)

    @given(args=st.lists(st.text()), kwargs=st.dictionaries(st.text(), st.text(), max_size=4))
    def test_any_text_can_be_a_field(self, args: list[str], kwargs: dict[str, str]) -> None:
        text = unparse(tuple(args), kwargs)
        expected = args if args or kwargs else [""]
        assert split(text) == (expected, kwargs)

    @given(text=st.text())
    def test_quoted_text_is_one_field(self, text: str) -> None:
        assert split(quoteStringArgument(text)) == ([text], {})
        assert split("name=" + quoteStringArgument(text)) == ([], {"name": text})


class TestKinds:
    @pytest.mark.parametrize(
        ("description", "call"),
        [
            ("tcp:0", ("listenTCP", (0,), {"backlog": 2048, "interface": ""})),
            (
                "tcp:interface=127.0.0.1:port=8080:backlog=5",
                ("listenTCP", (8080,), {"backlog": 5, "interface": "127.0.0.1"}),
            ),
            ("tcp6:80", ("listenTCP", (80,), {"backlog": 2048, "interface": "::"})),
            (r"tcp6:80:\:\:1", ("listenTCP", (80,), {"backlog": 2048, "interface": "::1"})),
            (
                "unix:/run/a.sock",
                ("listenUNIX", ("/run/a.sock",), {"backlog": 2048, "mode": 0o666, "wantPID": True}),
            ),
            (
                "unix:/run/a.sock:mode=660:backlog=1:lockfile=0",
                ("listenUNIX", ("/run/a.sock",), {"backlog": 1, "mode": 0o660, "wantPID": False}),
            ),
            (
                "unix:@name",
                ("listenUNIX", ("\0name",), {"backlog": 2048, "mode": 0o666, "wantPID": False}),
            ),
        ],
    )
    def test_servers(self, description: str, call: Any) -> None:
        assert listened(description) == call

    @pytest.mark.parametrize(
        ("description", "call"),
        [
            (
                "tcp:example.com:80",
                ("connectTCP", ("example.com", 80), {"timeout": 30.0, "bindAddress": None}),
            ),
            (
                "tcp:::1:80:timeout=0.5:bindAddress=127.0.0.1".replace("::1", r"\:\:1"),
                ("connectTCP", ("::1", 80), {"timeout": 0.5, "bindAddress": ("127.0.0.1", 0)}),
            ),
            (
                r"tcp6:\:\:1:80",
                ("connectTCP", ("::1", 80), {"timeout": 30.0, "bindAddress": None}),
            ),
            ("unix:/run/a", ("connectUNIX", ("/run/a",), {"timeout": 30.0, "checkPID": False})),
            (
                "unix:@a:timeout=1:lockfile=1",
                ("connectUNIX", ("\0a",), {"timeout": 1.0, "checkPID": True}),
            ),
        ],
    )
    def test_clients(self, description: str, call: Any) -> None:
        assert connected(description) == call

    @pytest.mark.parametrize("kind", _PARSERS)
    def test_parsers(self, kind: str) -> None:
        parser = Parsers.load(kind)
        assert parser.prefix in (kind, "tls")
        for interface, method in (
            (IStreamServerEndpointStringParser, "parseStreamServer"),
            (IStreamClientEndpointStringParserWithReactor, "parseStreamClient"),
        ):
            assert interface.providedBy(parser) == hasattr(parser, method)
            assert not interface.providedBy(parser) or verifyObject(interface, parser)


class Parsers:
    """Loads parsers as the package does."""

    @staticmethod
    def load(kind: str) -> Any:
        module, name = _PARSERS[kind].split(":")
        return getattr(importlib.import_module(module), name)()


WRONG_SERVERS = [
    ("", "no kind ''.*There are: tcp, tcp6, unix, ssl, tls, fd, systemd, stdio, haproxy"),
    ("http:80", "no kind 'http'.*There are: tcp,"),
    ("port=80", "begins with no kind.*There are: tcp,"),
    ("process:cat", "process cannot be listened at.*There are: tcp,"),
    ("tcp", r"missing a required argument: 'port'.*are: port, \[interface\], \[backlog\]"),
    ("tcp:80::5:extra", "too many positional"),
    ("tcp:80:host=a", "unexpected keyword argument 'host'"),
    ("tcp:80:reactor=a", "reactor"),
    ("tcp:http", "port is a whole number from 0 to 65535, not 'http'"),
    ("tcp:65536", "not '65536'"),
    ("tcp:-1", "not '-1'"),
    ("tcp:\u0661", "port is a whole number"),
    ("tcp: 80", "not ' 80'"),
    ("tcp:80:backlog=0", "backlog is a whole number from 1"),
    ("tcp:80:backlog=99999999999", "backlog"),
    ("unix", "'address'"),
    ("unix:", "path is empty"),
    ("unix:/a:mode=", "mode is octal"),
    ("unix:/a:mode=8", "mode is octal"),
    ("unix:/a:mode=1777", "mode is octal"),
    ("unix:/a:lockfile=yes", "lockfile is 0 or 1"),
    ("fd:x", "fileno is a whole number"),
    ("fd:9999", "descriptor 9999 is not a socket: Bad file descriptor"),
    ("tls:443:privateKey=/no/such.pem", "/no/such.pem: No such file"),
    ("haproxy", "no kind ''"),
    ("haproxy:tcp", "'tcp' is not an endpoint.*missing"),
    ("haproxy:tcp:1:trusted=10.0.0.1/8", "host bits"),
    ("haproxy:tcp:1:headerTimeout=0", "headerTimeout is a number of seconds above 0"),
    ("haproxy:tcp:1:headerTimeout=inf", "headerTimeout"),
    ("haproxy:tcp:1:headerTimeout=2", "3 seconds or more, not 2"),
]
WRONG_CLIENTS = [
    ("fd:3", "fd cannot be connected to.*There are: tcp,.*process"),
    ("tcp:example.com", "missing a required argument: 'port'"),
    ("tcp:example.com:0", "port is a whole number from 1"),
    ("tcp:example.com:80:timeout=soon", "timeout is a number of seconds"),
    ("tcp:example.com:80:timeout=nan", "timeout is a number of seconds"),
    ("unix::timeout=1", "path is empty"),
    ("process", "'executable'"),
    ("haproxy:tcp:a:1:version=3", "version is a whole number from 1 to 2"),
    ("tls:example.com:443:trustRoots=/no/such.pem", "/no/such.pem"),
]


class TestMistakes:
    @pytest.mark.parametrize(("description", "reason"), WRONG_SERVERS)
    def test_servers(self, description: str, reason: str) -> None:
        with pytest.raises(InvalidEndpoint, match=reason) as caught:
            serverFromString(Reactor(), description)
        assert caught.value.description in description

    @pytest.mark.parametrize(("description", "reason"), WRONG_CLIENTS)
    def test_clients(self, description: str, reason: str) -> None:
        with pytest.raises(InvalidEndpoint, match=reason):
            clientFromString(Reactor(), description)

    def test_a_descriptor_that_is_no_socket(self, tmp_path: Path) -> None:
        with (
            open(tmp_path / "file", "w") as file,
            pytest.raises(InvalidEndpoint, match="not a socket"),
        ):
            serverFromString(Reactor(), f"fd:{file.fileno()}")

    @pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
    def test_a_socket_that_does_not_listen(self, kind: int) -> None:
        with (
            socket.socket(type=kind) as sock,
            pytest.raises(InvalidEndpoint, match="not a listening stream socket"),
        ):
            serverFromString(Reactor(), f"fd:{sock.fileno()}")

    def test_it_is_a_value_error(self) -> None:
        assert issubclass(InvalidEndpoint, ValueError)

    @settings(deadline=None)  # the first looks for plugins
    @given(text=st.text(alphabet=r"tcp6:=\0unixfdhaproxystdio ", max_size=40))
    def test_no_text_does_anything_else(self, text: str) -> None:
        for parse in (serverFromString, clientFromString):
            with contextlib.suppress(InvalidEndpoint):
                parse(Reactor(), text)


@implementer(IStreamServerEndpointStringParser, IStreamClientEndpointStringParserWithReactor)
class Plugin:
    """A kind of another package."""

    prefix = "plug"

    def parseStreamServer(self, reactor: Any, *args: str, **kwargs: str) -> Any:
        return reactor, args, kwargs

    def parseStreamClient(self, reactor: Any, place: str) -> Any:
        if place == "broken":
            raise ZeroDivisionError
        return reactor, place


class Entry:
    """An entry point."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = "package.module:thing"
        self._loaded = value

    def load(self) -> Any:
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


class TestPlugins:
    @pytest.fixture(autouse=True)
    def plugins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The kinds `plug`, `broken`, and one that would hide ours."""
        entries = [
            Entry("plug", Plugin()),
            Entry("broken", ImportError("no module named gone")),
            Entry("tcp", Plugin()),
        ]

        def entry_points(group: str) -> list[Entry]:
            assert group == ENTRY_POINTS == "reactorlib.endpoints"
            return entries

        monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)

    def test_a_kind_of_another_package(self) -> None:
        reactor = object()
        assert serverFromString(reactor, "plug:a:b=c") == (reactor, ("a",), {"b": "c"})
        assert clientFromString(reactor, "plug:a") == (reactor, "a")

    def test_it_hides_none_of_ours(self) -> None:
        assert listened("tcp:0")[0] == "listenTCP"

    def test_its_fields_are_checked(self) -> None:
        with pytest.raises(InvalidEndpoint, match="The fields of plug are: place"):
            clientFromString(object(), "plug:a:b")

    def test_its_faults_are_its_own(self) -> None:
        with pytest.raises(ZeroDivisionError):
            clientFromString(object(), "plug:broken")

    def test_one_that_cannot_be_loaded(self) -> None:
        with pytest.raises(InvalidEndpoint, match=r"package\.module:thing cannot be loaded.*gone"):
            serverFromString(object(), "broken:1")

    def test_it_is_listed(self) -> None:
        with pytest.raises(InvalidEndpoint, match=r"haproxy, plug, tcp\."):
            serverFromString(object(), "nothing")
