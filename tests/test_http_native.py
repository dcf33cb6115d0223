"""The HTTP parser in C, against unreadable pages and under the sanitizers (see native/http)."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Collection

import pytest

from reactorlib.protocols.http.corpus import REQUESTS, RESPONSES
from tests.native.build import http_driver

WHOLE = [case.data for case in (*REQUESTS, *RESPONSES)]
BODIES = sorted({message.partition(b"\r\n\r\n")[2] for message in WHOLE})
TRAILERS = sorted({body.partition(b"\r\n0\r\n")[2] for body in BODIES})


def drive(messages: Collection[bytes], *flags: str) -> tuple[int, int]:
    """How many calls were made without a finding, and what stands for all answers."""
    data = b"".join(struct.pack("=I", len(message)) + message for message in messages)
    done = subprocess.run([http_driver(*flags)], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    calls, answers = done.stdout.split()
    return int(calls), int(answers)


@pytest.mark.parametrize(
    ("messages", "calls"), [(WHOLE, 300_000), (BODIES, 20_000), (TRAILERS, 500)]
)
def test_nothing_else_is_read_and_vectors_change_nothing(
    messages: Collection[bytes], calls: int
) -> None:
    vectors = drive(messages)
    assert vectors == drive(messages, "-U__SSE2__")
    assert vectors[0] > calls
