"""The HTTP requests that are sent, and what is expected in answer to a GET."""

from __future__ import annotations

HELLO = "Hello, World!\n"


def _head(line: str, *fields: str) -> str:
    return "\r\n".join((line, *fields, "", ""))


_HOST = "Host: www.example.com"

SMALL = _head("GET / HTTP/1.1", _HOST, "User-Agent: load/1.0", "Accept: */*")

FILE = _head("GET /file HTTP/1.1", _HOST, "User-Agent: load/1.0", "Accept: */*")

ONCE = _head("GET / HTTP/1.1", _HOST, "User-Agent: load/1.0", "Accept: */*", "Connection: close")

# 700 bytes in twelve fields, as a browser sends them.
BROWSER = _head(
    "GET / HTTP/1.1",
    _HOST,
    "Connection: keep-alive",
    'sec-ch-ua: "Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8",
    "Referer: https://www.example.com/articles/index.html",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    f"Cookie: theme=dark; session={'7' * 87}",
)


def posting(size: int) -> str:
    """The head of a POST with a body of `size` bytes."""
    return _head(
        "POST / HTTP/1.1",
        _HOST,
        "User-Agent: load/1.0",
        "Accept: */*",
        "Content-Type: application/octet-stream",
        f"Content-Length: {size}",
    )
