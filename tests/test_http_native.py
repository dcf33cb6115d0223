"""The HTTP parser in C, against unreadable pages and under the sanitizers (see native/http)."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterable

from reactorlib.protocols.http.corpus import REQUESTS, RESPONSES
from tests.native.build import http_driver


def drive(messages: Iterable[bytes]) -> int:
    """How many calls were made without a finding."""
    data = b"".join(struct.pack("=I", len(message)) + message for message in messages)
    done = subprocess.run([http_driver()], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return int(done.stdout)


def after_the_head(message: bytes) -> bytes:
    return message.partition(b"\r\n\r\n")[2]


def test_whole_messages() -> None:
    assert drive(case.data for case in (*REQUESTS, *RESPONSES)) > 100_000


def test_bodies_and_trailers() -> None:
    bodies = {after_the_head(case.data) for case in REQUESTS}
    trailers = {body.partition(b"\r\n0\r\n")[2] for body in bodies}
    assert drive(bodies | trailers) > 10_000
