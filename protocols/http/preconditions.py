from __future__ import annotations

from typing import Any


def checkPreconditions(
    request: Any,
    response: Any = None,
    entityExists: bool = True,
    etag: Any = None,
    lastModified: Any = None,
) -> int | None:
    return None
