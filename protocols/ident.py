"""The Identification Protocol (RFC 1413): to whom a TCP connection belongs.

A server on the host at one end is asked for the connection between two ports:
its own and the asking host's. It never tells of connections with others.
"""

from __future__ import annotations

import ipaddress
import logging
import pwd
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

from reactorlib.defer import Deferred, maybeDeferred
from reactorlib.failure import Failure
from reactorlib.protocol import connectionDone
from reactorlib.protocols.basic import LineOnlyReceiver

logger = logging.getLogger("reactorlib")

# RFC 1413: no answer is longer, and no name has these.
LONGEST_LINE = 1000
FORBIDDEN = str.maketrans("\0\r\n", "???")


class IdentError(Exception):
    """To whom the connection belongs cannot be told; `identDescription` is the error's name."""

    identDescription = "UNKNOWN-ERROR"

    def __str__(self) -> str:
        return ": ".join([self.identDescription, *map(str, self.args)])


class NoUser(IdentError):
    """There is no such connection, or it belongs to no user."""

    identDescription = "NO-USER"


class InvalidPort(IdentError):
    """A port is not between 1 and 65535."""

    identDescription = "INVALID-PORT"


class HiddenUser(IdentError):
    """The user does not want to be told."""

    identDescription = "HIDDEN-USER"


Address = tuple[str, int]


class IdentServer(LineOnlyReceiver):
    """Answers queries, one after the other; override lookup.

    While a lookup is under way nothing more is read.
    """

    MAX_LENGTH = LONGEST_LINE

    def lineReceived(self, line: bytes) -> None:
        ports = [_number(text.strip(b" \t")) for text in line.split(b",")]
        if len(ports) != 2 or -1 in ports:
            self.invalidQuery()
        elif all(1 <= port <= 65535 for port in ports):
            self.validQuery(*ports)
        else:
            self._answer(ports, f"ERROR : {InvalidPort.identDescription}")

    def invalidQuery(self) -> None:
        """The peer sent something else. Loses the connection."""
        self.transport.loseConnection()

    def validQuery(self, portOnServer: int, portOnClient: int) -> None:
        """The peer asks for the connection between these ports."""
        server = self.transport.getHost().host, portOnServer
        client = self.transport.getPeer().host, portOnClient
        self.pauseProducing()
        found = maybeDeferred(self.lookup, server, client)
        answer = found.addCallback(self._found).addErrback(self._not_found)
        answer.addCallback(self._finish, [portOnServer, portOnClient])

    def lookup(self, serverAddress: Address, clientAddress: Address) -> Any:
        """The system and the user that a connection belongs to, as two texts.

        The addresses are this host's end and the asking host's. May return a
        Deferred; raises an IdentError where there is nothing to tell.
        """
        raise IdentError

    def _found(self, result: tuple[str, str]) -> str:
        system, user = result
        return f"USERID : {system} : {user}"

    def _not_found(self, failure: Failure) -> str:
        error = failure.value
        if not isinstance(error, IdentError):
            logger.error("An ident lookup failed", exc_info=error)
            error = IdentError()
        return f"ERROR : {error.identDescription}"

    def _finish(self, answer: str, ports: list[int]) -> None:
        self._answer(ports, answer)
        self.resumeProducing()

    def _answer(self, ports: list[int], answer: str) -> None:
        text = f"{ports[0]}, {ports[1]} : {answer}".translate(FORBIDDEN)
        self.sendLine(text.encode("ascii", "replace")[:LONGEST_LINE])


def _number(text: bytes) -> int:
    """A number of up to 5 digits; -1 for anything else."""
    return int(text) if text.isdigit() and len(text) <= 5 else -1


class ProcServerMixin:
    """Looks connections up in Linux's tables; mix it in before IdentServer."""

    SYSTEM_NAME = "UNIX"
    TABLES: tuple[str, ...] = ("/proc/net/tcp", "/proc/net/tcp6")

    def lookup(self, serverAddress: Address, clientAddress: Address) -> tuple[str, str]:
        wanted = _normal(serverAddress), _normal(clientAddress)
        ports = [f":{port:04X} " for _, port in (serverAddress, clientAddress)]
        for entry in self.entries():
            if not all(port in entry for port in ports):
                continue  # of a million connections nearly all: a search is a tenth of the price
            local, remote, uid = self.parseLine(entry)
            if (_normal(local), _normal(remote)) == wanted:
                return self.SYSTEM_NAME, self.getUsername(uid)
        raise NoUser

    def getUsername(self, uid: int) -> str:
        """The name of a user. Raises NoUser."""
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            raise NoUser from None

    def entries(self) -> Iterator[str]:
        """The lines of the tables, one for each connection."""
        for table in self.TABLES:
            with open(table, encoding="ascii") as lines:
                next(lines)
                yield from lines

    def parseLine(self, line: str) -> tuple[Address, Address, int]:
        """Of a connection: its address here, that of its peer, the number of its user."""
        fields = line.split()
        return self.unpackAddress(fields[1]), self.unpackAddress(fields[2]), int(fields[7])

    def unpackAddress(self, packed: str) -> Address:
        """An address of the tables: words of 32 bits in the machine's order, and the port."""
        words, _, port = packed.partition(":")
        host = b"".join(
            int(words[start : start + 8], 16).to_bytes(4, sys.byteorder)
            for start in range(0, len(words), 8)
        )
        return str(ipaddress.ip_address(host)), int(port, 16)


def _normal(address: Address) -> tuple[Any, int]:
    """An address that compares: IPv4 in IPv6 is IPv4."""
    host = ipaddress.ip_address(address[0].partition("%")[0])
    return getattr(host, "ipv4_mapped", None) or host, address[1]


class IdentClient(LineOnlyReceiver):
    """Asks a server, one query after the other."""

    MAX_LENGTH = LONGEST_LINE

    errorTypes: tuple[type[IdentError], ...] = (IdentError, NoUser, InvalidPort, HiddenUser)

    def __init__(self) -> None:
        self.queries: deque[tuple[Deferred[tuple[str, str]], int, int]] = deque()

    def lookup(self, portOnServer: int, portOnClient: int) -> Deferred[tuple[str, str]]:
        """Ask to whom the connection between two ports belongs, the server's end of it.

        The Deferred gives the kind of answer, usually "USERID", and what it
        says, such as "UNIX : joe". It fails with an IdentError.
        """
        deferred: Deferred[tuple[str, str]] = Deferred()
        self.queries.append((deferred, portOnServer, portOnClient))
        if len(self.queries) == 1:
            self._ask()
        return deferred

    def _ask(self) -> None:
        _, portOnServer, portOnClient = self.queries[0]
        self.sendLine(b"%d, %d" % (portOnServer, portOnClient))

    def lineReceived(self, line: bytes) -> None:
        if not self.queries:
            logger.info("An ident server said %r without being asked", line)
            return
        deferred, _, _ = self.queries.popleft()
        self.parseResponse(deferred, line)
        if self.queries:
            self._ask()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        queries, self.queries = self.queries, deque()
        for deferred, _, _ in queries:
            deferred.errback(IdentError(reason.getErrorMessage()))

    def parseResponse(self, deferred: Deferred[tuple[str, str]], line: bytes) -> None:
        """Fire a Deferred with what an answer says."""
        fields = [field.strip() for field in line.decode("utf-8", "replace").split(":", 2)]
        if len(fields) != 3:
            deferred.errback(IdentError(line))
        elif fields[1] != "ERROR":
            deferred.callback((fields[1], fields[2]))
        else:
            errors = {error.identDescription: error for error in self.errorTypes}
            deferred.errback(errors.get(fields[2], IdentError)(line))


__all__ = [
    "HiddenUser",
    "IdentClient",
    "IdentError",
    "IdentServer",
    "InvalidPort",
    "NoUser",
    "ProcServerMixin",
]
