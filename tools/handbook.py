"""What `dev.py serve` serves: a page, and from there the documentation and the examples."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from reactorlib import __version__
from reactorlib.protocols.http.resource import Resource
from reactorlib.protocols.http.static import File

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("docs", "examples")
PLAIN = "text/plain; charset=utf-8"  # a browser would save these otherwise
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>reactorlib</title>
<style>
body {{ font: 1.1em/1.5 sans-serif; max-width: 42em; margin: 3em auto; padding: 0 1em }}
</style>
<h1>It works</h1>
<p>This page comes from reactorlib {version}. The files are of this checkout.</p>
{lists}
</html>
"""


class Handbook(Resource):
    """The page, and the folders below it."""

    def __init__(self) -> None:
        super().__init__()
        self.putChild(b"", self)
        for name in FOLDERS:
            folder = File(ROOT / name, listDirectories=True)
            folder.contentTypes = {**folder.contentTypes, ".md": PLAIN, ".py": PLAIN}
            self.putChild(name.encode(), folder)

    def render_GET(self, request: Any) -> bytes:
        request.setResponseHeader(b"Content-Type", b"text/html; charset=utf-8")
        lists = "\n".join(map(_links, FOLDERS))
        return PAGE.format(version=__version__, lists=lists).encode()


def _links(folder: str) -> str:
    names = sorted(path.name for path in (ROOT / folder).iterdir() if path.suffix in (".md", ".py"))
    items = "\n".join(f'<li><a href="{folder}/{escape(n)}">{escape(n)}</a>' for n in names)
    return f'<h2><a href="{folder}/">{folder}</a></h2>\n<ul>\n{items}\n</ul>'


root = Handbook()
