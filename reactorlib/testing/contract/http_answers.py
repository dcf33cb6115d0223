"""What comes to the client of a web server: its bytes read as answers, leniently."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Answer:
    """What has come to a client; `fields` in lower case, without those of the framing."""

    intermediates: list[tuple[int, dict[bytes, bytes]]] = field(default_factory=list)
    code: int = 0
    reason: bytes = b""
    fields: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False


def read_answer(data: bytes, method: bytes, ended: bool) -> tuple[Answer, bytes]:
    """The first answer in what came, as far as it has come, and what follows it."""
    answer = Answer()
    while b"\r\n\r\n" in data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        _, code, reason = first.split(b" ", 2)
        pairs = [line.split(b": ", 1) for line in lines]
        fields = {name.lower(): value for name, value in pairs}
        if 100 <= int(code) < 200 and code != b"101":
            answer.intermediates.append((int(code), fields))
            continue
        answer.code, answer.reason = int(code), reason
        answer.fields = without_framing(fields)
        data = _read_body(answer, fields, data, method, ended)
        break
    return answer, data


def _read_body(
    answer: Answer, fields: dict[bytes, bytes], data: bytes, method: bytes, ended: bool
) -> bytes:
    is_tunnel = method == b"CONNECT" and 200 <= answer.code < 300
    if method == b"HEAD" or answer.code in (101, 204, 304) or is_tunnel:
        answer.whole = True
        return data
    if b"transfer-encoding" in fields:
        return _read_chunks(answer, data)
    if b"content-length" in fields:
        length = int(fields[b"content-length"])
        answer.body, answer.whole = data[:length], len(data) >= length
        return data[length:]
    answer.body, answer.whole = data, ended
    return b""


def _read_chunks(answer: Answer, data: bytes) -> bytes:
    pieces = []
    while b"\r\n" in data and not answer.whole:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        pieces.append(data[:length])
        answer.whole = length == 0
        data = data[length + 2 :]
    answer.body = b"".join(pieces)
    return data


def without_framing(fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Those that tell something to an application."""
    ours = (b"date", b"server", b"connection", b"content-length", b"transfer-encoding")
    return {name: value for name, value in fields.items() if name not in ours}
