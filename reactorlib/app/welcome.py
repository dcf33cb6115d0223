"""The page that `reactorlib web` serves: it works, and what to do next.

One page at `/`, for GET and HEAD; another path is 404, another method 405. It keeps
nothing and tells nothing of the machine but versions and the backend.
"""

from __future__ import annotations

from html import escape
from typing import Any

from reactorlib._version import __version__
from reactorlib.protocols.http.request import Request
from reactorlib.protocols.http.status import NOT_ALLOWED, NOT_FOUND

# It must run as it stands, by the command that the page names.
PROGRAM = """\
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.request import Request


class Hello(Request):
    def process(self):
        self.write(b"Hello, World!\\n")
        self.finish()


factory = HTTPFactory(Hello)
"""

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>reactorlib works</title>
<style>
body {{ font: 1.1em/1.5 sans-serif; max-width: 42em; margin: 3em auto; padding: 0 1em }}
pre {{ background: #f0f0f0; color: #111; padding: 1em; overflow-x: auto }}
</style>
</head>
<body>
<h1>It works</h1>
<p>This page comes from reactorlib {version} on {backend}.</p>
<h2>What to do next</h2>
<p>Write a server of your own, <code>hello.py</code>:</p>
<pre><code>{program}</code></pre>
<p>and start it:</p>
<pre><code>reactorlib run hello.py:factory --port 8000</code></pre>
<p>See how any server takes what attackers send:</p>
<pre><code>reactorlib http-audit 127.0.0.1:8000</code></pre>
<p>More is in <code>docs/howto-web.md</code>.</p>
</body>
</html>
"""


def page(backend: str) -> bytes:
    """The page, which names the backend."""
    text = PAGE.format(version=__version__, backend=escape(backend), program=escape(PROGRAM))
    return text.encode()


def path_of(uri: bytes) -> bytes:
    """The path that is asked for, also in absolute-form (RFC 9112, 3.2.2)."""
    path = uri.partition(b"?")[0]
    if path.startswith(b"/"):
        return path
    return b"/" + path.partition(b"://")[2].partition(b"/")[2]


class Welcome(Request):
    """Answers one request; `body` is the page."""

    __slots__ = ()

    body = b""

    @classmethod
    def on(cls, backend: str) -> type[Welcome]:
        """The same, with a page that names this backend."""
        return type(cls.__name__, (cls,), {"__slots__": (), "body": page(backend)})

    def process(self) -> Any:
        if self.uri != b"/" and path_of(self.uri) != b"/":
            self.writePage(NOT_FOUND, "There is one page here: /")
        elif self.method not in (b"GET", b"HEAD"):
            self.setResponseHeader(b"Allow", b"GET, HEAD")
            self.writePage(NOT_ALLOWED, "This page can be read, and nothing else.")
        else:
            self.setResponseHeader(b"Content-Type", b"text/html; charset=utf-8")
            self.write(self.body)
            self.finish()
