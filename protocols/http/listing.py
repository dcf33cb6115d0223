"""The page that shows what is in a directory: sorted, escaped, without what is hidden."""

from __future__ import annotations

import os
import stat
from html import escape
from time import gmtime, strftime
from urllib.parse import quote

_PAGE = """<!DOCTYPE html>
<html lang=en><meta charset=utf-8><title>{title}</title>
<style>body{{font-family:sans-serif}}td{{padding:.1em 1em}}.size{{text-align:right}}</style>
<h1>{title}</h1>
<table><tr><th>Name<th>Size<th>Changed (UTC)
{rows}
</table>
</html>
"""
_ROW = '<tr><td><a href="./{place}">{name}</a><td class=size>{size}<td>{changed}'


def directory_page(directory: int, title: str, follow_links: bool) -> bytes:
    """The page for an open directory; `title` is what it is called. Raises OSError.

    Only files and directories that would be served are in it: no links unless they are
    followed, and nothing whose name begins with a dot.
    """
    with os.scandir(directory) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    rows = [_row(directory, name, follow_links) for name in names]
    page = _PAGE.format(title=escape(title), rows="\n".join(filter(None, rows)))
    return page.encode("utf-8", "replace")


def _row(directory: int, name: str, follow_links: bool) -> str:
    """Nothing for what is not shown, or is gone by now."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=follow_links)
    except OSError:
        return ""
    is_directory = stat.S_ISDIR(status.st_mode)
    if not is_directory and not stat.S_ISREG(status.st_mode):
        return ""
    raw, slash = os.fsencode(name), "/" if is_directory else ""
    return _ROW.format(
        place=quote(raw) + slash,
        name=escape(raw.decode("utf-8", "replace")) + slash,
        size="" if is_directory else status.st_size,
        changed=strftime("%Y-%m-%d %H:%M", gmtime(status.st_mtime)),
    )
