"""Requests do not depend on how the bytes are divided, and each has one reading.

What was read, written again in the plainest way, is read as the same.
"""

from __future__ import annotations

from random import Random

from messages import Message, MessageReader
from mutations import divided

from reactorlib.protocols.http.corpus import REQUESTS
from reactorlib.protocols.http.parser import CHUNKED

SEEDS = [case.data for case in REQUESTS if len(case.data) < 400]
TOKENS = [b"\r\n", b"\r", b"\n", b"\r\n\r\n", b" ", b"\t", b":", b",", b";", b"\0", b"\x0b", b"0"]
TOKENS += [b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Host: a\r\n", b"HTTP/1."]
TOKENS += [b"chunked", b"0\r\n\r\n", b"5\r\nhello\r\n", b"GET / ", b'"', b"\\", b"=", b"\xff", b"#"]
TOKENS += [b"A" * 300, b"X: y\r\n" * 12]


def check(data: bytes, random: Random) -> None:
    bounds = random.choice(((8192, 16384, 100), (20, 300, 5), (60, 80, 2), (300, 100, 12)))
    whole = MessageReader(*bounds).feed_all([data])
    parts = MessageReader(*bounds).feed_all(divided(data, random))
    assert (parts.status, parts.reason) == (whole.status, whole.reason)
    assert parts.complete == whole.complete
    assert parts.messages[: whole.complete] == whole.messages[: whole.complete]
    for message in whole.messages[: whole.complete]:
        check_again(message)


def check_again(message: Message) -> None:
    again = MessageReader().feed_all([written(message)])
    assert again.status == 0
    assert again.rest == b""
    (same,) = again.messages
    assert (same.fields, same.flags, same.body) == (message.fields, message.flags, message.body)
    assert same.trailers == message.trailers


def written(message: Message) -> bytes:
    line = message.head.lstrip(b"\r\n").partition(b"\r\n")[0]
    head = [line, *(name + b": " + value for name, value in message.fields), b"", b""]
    return b"\r\n".join(head) + written_body(message)


def written_body(message: Message) -> bytes:
    if not message.flags & CHUNKED:
        return message.body
    chunk = b"%x\r\n%b\r\n" % (len(message.body), message.body) if message.body else b""
    trailers = [name + b": " + value for name, value in message.trailers]
    return chunk + b"\r\n".join([b"0", *trailers, b"", b""])
