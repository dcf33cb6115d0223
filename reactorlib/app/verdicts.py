"""What a server's answers to a message of the corpus mean. No transport is seen here.

A case is sent with a plain request behind it, so two things can be told: whether a
message was taken or refused, and whether the server and its client still agree on
where the next one begins. A server is right if it does what the RFCs allow: a case
that may be taken or refused is never held against it, and a connection that ends
without an answer counts as a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass

from reactorlib.protocols.http.corpus import ACCEPTED, Case
from reactorlib.protocols.http.parser import (
    CHUNKED,
    HAS_BODY,
    UNTIL_CLOSE,
    ChunkDecoder,
    HTTPParseError,
    ResponseHead,
)

# How an exchange ended.
CLOSED, RESET, OPEN, UNREADABLE, UNREACHABLE = (
    "closed",
    "reset",
    "still open",
    "no response",
    "no connection",
)

# What can be found, the worst first.
SMUGGLED, FAILED, LOST, HUNG, GARBLED, CONTINUED, ANSWERED, REFUSED = KINDS = (
    "smuggled",
    "failed",
    "lost",
    "hung",
    "garbled",
    "continued",
    "answered",
    "refused",
)

# With these a server refuses a message because of what it is; and a valid one with those.
REFUSALS = frozenset((400, 411, 413, 414, 417, 431, 501, 505))
REFUSALS_OF_VALID = frozenset((400, 411, 417, 505))
REQUEST_TIMEOUT = 408


@dataclass(frozen=True)
class Seen:
    """What came: the statuses of the answers, in order, and how it ended."""

    statuses: tuple[int, ...]
    end: str

    def __str__(self) -> str:
        return ", ".join([*map(str, self.statuses), self.end])


@dataclass(frozen=True)
class Finding:
    """Something that is not right: `found` in a word, `meaning` in a sentence."""

    case: Case
    seen: Seen
    found: str
    meaning: str


def must_be_refused(case: Case) -> bool:
    return ACCEPTED not in case.outcomes


def answers_to(case: Case) -> int:
    """How many a server that is right gives to a case, without the request behind it."""
    return case.messages + 1 if must_be_refused(case) else max(case.messages, 1)


def judge(case: Case, seen: Seen) -> Finding | None:
    """What is wrong with that; None if nothing is."""
    if seen.end == UNREACHABLE:
        verdict = (LOST, "takes no connection any more: has it crashed?")
    elif seen.end == UNREADABLE:
        verdict = (GARBLED, "what came is no response of HTTP/1.1")
    else:
        decide = _of_invalid if must_be_refused(case) else _of_valid
        verdict = decide(case, seen.statuses, seen.end)
    return Finding(case, seen, *verdict) if verdict[0] else None


RIGHT = ("", "")


def _of_invalid(case: Case, statuses: tuple[int, ...], end: str) -> tuple[str, str]:
    """Of a case that must be refused after the messages that must not."""
    expected = answers_to(case)
    refused = [place for place, status in enumerate(statuses, 1) if status in REFUSALS]
    allowed = " or ".join(map(str, case.outcomes))
    if len(statuses) > expected + 1:
        return SMUGGLED, f"{len(statuses)} answers where {expected + 1} are the most"
    if refused and len(statuses) > refused[0]:
        return CONTINUED, "refuses it, and still serves what follows"
    if REQUEST_TIMEOUT in statuses or (end == OPEN and len(statuses) < expected):
        return HUNG, f"waits for more of what must be refused ({allowed})"
    if len(statuses) < expected or statuses[expected - 1] in {*REFUSALS, *case.outcomes}:
        return RIGHT
    if statuses[expected - 1] >= 500:
        return FAILED, f"fails over what must be refused ({allowed})"
    return ANSWERED, f"takes what must be refused ({allowed})"


def _of_valid(case: Case, statuses: tuple[int, ...], end: str) -> tuple[str, str]:
    """Of a case that may be taken."""
    expected = answers_to(case)
    count = len(statuses)
    refused = count <= expected and (not statuses or statuses[-1] in REFUSALS_OF_VALID)
    if count > expected + 1:
        return SMUGGLED, f"{count} answers where {expected + 1} are the most"
    if REQUEST_TIMEOUT in statuses or (end == OPEN and count <= expected and not refused):
        return HUNG, "waits for more of a message that is complete"
    if end == OPEN and not statuses:
        return HUNG, "does not answer"
    if refused and case.outcomes == (ACCEPTED,):
        return REFUSED, "refuses what is valid"
    return RIGHT


class AnswerReader:
    """Finds the statuses of final responses in a stream; drops bodies, keeps 64 KiB at most.

    `readable` is false from where the stream is no HTTP/1.1 on.
    """

    def __init__(self, case: Case) -> None:
        self.statuses: list[int] = []
        self.readable = True
        self._tunnels = case.data.startswith(b"CONNECT ")
        self._head = ResponseHead(8_192, 65_536, 1_000)
        self._rest = b""
        self._left = 0
        self._chunks: ChunkDecoder | None = None
        self._until_close = False

    def feed(self, data: bytes) -> None:
        """Take what came."""
        data = self._rest + data
        self._rest = b""
        try:
            while data and not self._until_close:
                data = self._read_body(data) if self._left or self._chunks else self._read(data)
        except HTTPParseError:
            self.readable = False
            self._until_close = True

    def _read(self, data: bytes) -> bytes:
        """Read a head; what is there of one that is not complete waits for more."""
        length = self._head.parse(data)
        if not length:
            self._rest = data
            return b""
        status, flags, content_length = [self._head.values()[place] for place in (1, 5, 6)]
        if status >= 200 or status == 101:
            self.statuses.append(status)
        if status == 101 or (self._tunnels and 200 <= status < 300):
            self._until_close = True
        elif flags & CHUNKED:
            self._chunks = ChunkDecoder()
        elif flags & HAS_BODY:
            self._until_close = bool(flags & UNTIL_CLOSE)
            self._left = max(content_length, 0)
        return data[length:]

    def _read_body(self, data: bytes) -> bytes:
        if self._chunks is None:
            taken = min(self._left, len(data))
            self._left -= taken
            return data[taken:]
        self._chunks.feed(data)
        rest = data[self._chunks.consumed :]
        if self._chunks.done:
            self._chunks = None
        return rest
