"""Files that lie compressed beside the file itself, as `page.html.gz` beside `page.html`.

One that is older than the file itself is out of date, and not sent.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from reactorlib.protocols.http.beneath import opened
from reactorlib.protocols.http.fields.accept import negotiateEncoding, parseQualities

# Of those that are equally welcome the first is sent.
SUFFIXES = {b"br": b".br", b"zstd": b".zst", b"gzip": b".gz"}


def sibling(
    codings: Iterable[bytes], open_with: Callable[[bytes], int], plain: os.stat_result
) -> tuple[bytes, int, os.stat_result] | None:
    """The coding, a descriptor and the status of that in the first of these codings.

    `open_with` opens what has a suffix besides; `plain` is the status of the file itself.
    """
    for coding in codings:
        try:
            descriptor, status = opened(open_with, SUFFIXES[coding])
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_mtime_ns >= plain.st_mtime_ns:
            return coding, descriptor, status
        os.close(descriptor)
    return None


def wanted_codings(request: Any) -> tuple[bytes, ...]:
    """The codings that a request would rather have than none, best first."""
    if not request.mentions(b"accept-encoding"):
        return ()
    accepted = request.in_headers.getRawHeaders(b"accept-encoding")
    return _ranked(b", ".join(accepted)) if accepted else ()


@lru_cache(256)
def _ranked(accepted: bytes) -> tuple[bytes, ...]:
    try:
        qualities = parseQualities(accepted)
    except ValueError:
        return ()
    offered, ranked = [*SUFFIXES, b"identity"], []
    while (coding := negotiateEncoding(qualities, offered)) not in (None, b"identity"):
        assert coding is not None
        ranked.append(coding)
        offered.remove(coding)
    return tuple(ranked)


def may_be_compressed(media_type: str) -> bool:
    """Whether files of that type may have precompressed siblings: pictures and the like do not."""
    major = media_type.partition("/")[0]
    return major not in ("audio", "image", "video") or media_type == "image/svg+xml"
