"""An address as people write it, on one line whatever is in it."""

from __future__ import annotations

from typing import Any

from reactorlib.address import UNIXAddress


def place(address: Any) -> str:
    """`host:port`, an IPv6 host in brackets; or `unix:path`, an abstract one with @ before."""
    if isinstance(address, UNIXAddress):
        path = (address.name or b"").decode("utf-8", "backslashreplace")
        return "unix:" + path.replace("\0", "@", 1)
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"
