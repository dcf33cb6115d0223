"""Answers do not depend on how the bytes are divided; after a refusal nothing is given out."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from mutations import divided

from reactorlib.protocols.http.corpus import RESPONSES
from reactorlib.protocols.http.parser import HTTPParseError
from reactorlib.protocols.http.response import Head, ResponseReader

SEEDS = [case.data for case in RESPONSES if len(case.data) < 400]
TOKENS = [b"\r\n", b"\r", b"\n", b"\r\n\r\n", b" ", b":", b",", b";", b"\0", b"\x0b", b"0", b"204"]
TOKENS += [b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"HTTP/1.", b"HTTP/1.1 "]
TOKENS += [b"chunked", b"0\r\n\r\n", b"5\r\nhello\r\n", b"100", b"101", b"304", b'"', b"\xff"]
TOKENS += [b"HTTP/1.1 100 Continue\r\n\r\n" * 12, b"Connection: close\r\n", b"X: y\r\n" * 12]


class Outcome(NamedTuple):
    """What came of some bytes. Pieces before a refusal may be dropped with it."""

    refused: bool
    heads: list[tuple[int, list[tuple[bytes, list[bytes]]]]]
    body: bytes
    done: bool
    persistent: bool
    unread: bytes
    ended: bool


def check(data: bytes, random: Random) -> None:
    method = random.choice((b"GET", b"HEAD", b"CONNECT"))
    whole = outcome(method, [data])
    parts = outcome(method, divided(data, random))
    assert whole.refused == parts.refused
    if not whole.refused:
        assert whole == parts


def outcome(method: bytes, pieces: list[bytes]) -> Outcome:
    reader = ResponseReader(method)
    found: list[Head | bytes] = []
    refused = ended = False
    unread = b""
    try:
        for piece in pieces:
            if reader.done:
                unread += piece
            else:
                found += reader.feed(piece)
    except HTTPParseError:
        refused = True
    persistent, done, rest = reader.persistent, reader.done, reader.unread
    try:
        reader.end()
        ended = True
    except HTTPParseError:
        pass
    heads = [head for head in found if isinstance(head, Head)]
    assert sum(head.final for head in heads) <= 1
    return Outcome(
        refused,
        [(head.status, list(head.headers.getAllRawHeaders())) for head in heads],
        b"".join([piece for piece in found if isinstance(piece, bytes)]),
        done,
        persistent,
        rest + unread,
        ended,
    )
