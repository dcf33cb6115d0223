"""The Finger User Information Protocol (RFC 1288).

A query is one line: nothing for a list of users, a name for one of them, with
`/W` before it for more, and `@host` behind it to be forwarded. The answer is
text, and ends with the connection. Only printing ASCII is ever sent (section 3.3).
"""

from __future__ import annotations

import os

from reactorlib.failure import Failure
from reactorlib.protocol import Factory, connectionDone
from reactorlib.protocols.basic import LineReceiver
from reactorlib.protocols.timeouts import TimeoutMixin

# For bytes.translate: all but printing characters, tabs and ends of lines become question marks.
SAFE = bytes(byte if 32 <= byte < 127 or byte in b"\t\n" else ord("?") for byte in range(256))


class Finger(TimeoutMixin, LineReceiver):
    """Refuses everything: override getUser, getDomain, forwardQuery, and `answer` in them.

    A peer that has not asked and read the answer after `patience` seconds is cut off.
    """

    MAX_LENGTH = 512
    patience = 30.0

    def connectionMade(self) -> None:
        self.setTimeout(self.patience)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.setTimeout(None)

    def timeoutConnection(self) -> None:
        self.transport.abortConnection()

    def lineReceived(self, line: bytes) -> None:
        words = line.split()
        verbose = bool(words) and words[0].upper() == b"/W"
        user = b" ".join(words[1:] if verbose else words)
        before, at, host = user.rpartition(b"@")
        if at:
            self.forwardQuery(verbose, before, host)
        elif user:
            self.getUser(verbose, user)
        else:
            self.getDomain(verbose)

    def answer(self, text: bytes) -> None:
        """Send a text of lines, and end."""
        lines = text.replace(b"\r\n", b"\n").rstrip(b"\n").translate(SAFE).split(b"\n")
        for line in lines:
            self.sendLine(line)
        self.transport.loseConnection()

    def getUser(self, slash_w: bool, user: bytes) -> None:
        """Somebody asks for a user; for more with `slash_w`."""
        self.answer(b"Login: " + user + b"\nNo such user")

    def getDomain(self, slash_w: bool) -> None:
        """Somebody asks who is there."""
        self.answer(b"Finger online list denied")

    def forwardQuery(self, slash_w: bool, user: bytes, host: bytes) -> None:
        """Somebody asks to ask another host."""
        self.answer(b"Finger forwarding service denied")


class FolderFinger(Finger):
    """Answers from the text files in the factory's `folder`: their names are the users'."""

    factory: FolderFingerFactory

    def getUser(self, slash_w: bool, user: bytes) -> None:
        # Looked up, not joined to the folder: a name from the network is no path.
        files = {os.fsencode(file.name): file.path for file in self._files()}
        try:
            with open(files[user], "rb") as file:
                text = file.read(self.factory.longestText)
        except (KeyError, PermissionError):
            super().getUser(slash_w, user)
        else:
            self.answer(b"Login: " + user + b"\n" + text)

    def getDomain(self, slash_w: bool) -> None:
        names = sorted(os.fsencode(file.name) for file in self._files())
        self.answer(b"\n".join(names) or b"No one")

    def _files(self) -> list[os.DirEntry[str]]:
        with os.scandir(self.factory.folder) as entries:
            return [entry for entry in entries if entry.is_file() and entry.name[0] != "."]


class FolderFingerFactory(Factory):
    """Serves a folder; of each file up to `longestText` bytes."""

    protocol = FolderFinger
    longestText = 65_536

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = folder
