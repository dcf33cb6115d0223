"""What kind of content a file's name stands for.

The standard library's own table, never the machine's: the same name means the same
everywhere. What later versions of it know is added.
"""

from __future__ import annotations

from functools import lru_cache
from mimetypes import MimeTypes

_ADDED = {
    ".avif": "image/avif",
    ".br": "application/octet-stream",
    ".bz2": "application/x-bzip2",
    ".gz": "application/gzip",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
}


def loadMimeTypes() -> dict[str, str]:
    """A new table: lower-case extension, with its dot, to media type."""
    return {**MimeTypes().types_map[True], **_ADDED}


@lru_cache(256)
def as_field(media_type: str) -> bytes:
    """The value of Content-Type: of text that names no charset, UTF-8."""
    if media_type.startswith("text/") and ";" not in media_type:
        media_type += "; charset=utf-8"
    return media_type.encode("ascii")


def extension(name: bytes) -> str:
    """The lower-case extension of a name with its dot; empty if it has none."""
    stem, dot, last = name.rpartition(b".")
    return "." + last.decode("ascii", "replace").lower() if stem and dot else ""
