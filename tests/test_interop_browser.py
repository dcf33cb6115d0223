"""What people have in their hands: Chromium, at `reactorlib web`."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactorlib.testing.certificates import Authority
from tests.browser import Browser, Page, browser
from tests.cutting import cutting
from tests.test_cli_listen import line_of, place_of, serving

MEGABYTE = 1_000_000
KINDS = {"js": "count += 1;\n", "css": "body { color: green }\n", "svg": ""}
RESOURCES = 50
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="3" height="3"/>'
TAGS = {
    "js": '<script src="{name}"></script>',
    "css": '<link rel="stylesheet" href="{name}">',
    "svg": '<img src="{name}" alt="">',
}

pytestmark = pytest.mark.timeout(300)  # a browser on a busy machine

# A page with a form, and what takes it: it tells what came.
PROGRAM = """
import hashlib, json
from reactorlib.protocols.http.resource import Resource

PAGE = b'''<!DOCTYPE html><title>form</title>
<form method="post" enctype="multipart/form-data">
<input name="title"><input type="file" name="file"><input type="file" name="more" multiple>
</form>'''

class Form(Resource):
    isLeaf = True

    def render_GET(self, request):
        request.setHeader("Content-Type", "text/html; charset=utf-8")
        return PAGE

    def render_POST(self, request):
        (file,) = request.files[b"file"]
        digest = hashlib.sha256()
        while data := file.file.read(65_536):
            digest.update(data)
        request.setHeader("Content-Type", "text/plain; charset=utf-8")
        return json.dumps({
            "title": request.args[b"title"][0].decode(),
            "name": file.filename,
            "type": file.contentType.decode(),
            "size": file.size,
            "digest": digest.hexdigest(),
            "more": [[each.filename, each.file.read().decode()] for each in request.files[b"more"]],
        }).encode()

form = Form()
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as chromium:
        yield chromium


def names() -> list[str]:
    """Of as many resources as the page has, of all kinds."""
    kinds = list(KINDS)
    return [f"{number}.{kinds[number % len(kinds)]}" for number in range(RESOURCES)]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with a page of fifty resources."""
    folder = tmp_path / "site"
    folder.mkdir()
    tags = [TAGS[name.partition(".")[2]].format(name=name) for name in names()]
    head = '<!DOCTYPE html><meta charset="utf-8"><title>fifty</title><script>count = 0</script>'
    (folder / "index.html").write_text(head + "\n".join(tags))
    for name in names():
        kind = name.partition(".")[2]
        (folder / name).write_text(KINDS[kind] or DOT)
    return folder


@pytest.mark.parametrize("secure", [False, True], ids=["clear", "tls"])
def test_a_page_with_fifty_resources(
    chromium: Browser, site: Path, tmp_path: Path, secure: bool
) -> None:
    own = Authority(tmp_path).issue("127.0.0.1")
    tls = ["--ssl-keyfile", str(own.privateKey), "--ssl-certfile", str(own.certificate)]
    flags = ["--listen", "tcp:0:interface=127.0.0.1"]
    if secure:
        flags = ["--host", "127.0.0.1", "--port", "0", *tls]
    with serving("web", str(site), "--no-access-log", *flags) as process:
        host, port = place_of(process)
        page = Page(chromium, "about:blank")
        page.call("Security.setIgnoreCertificateErrors", ignore=secure)
        page.go(f"{'https' if secure else 'http'}://{host}:{port}/")
        answers = [
            each["response"]
            for each in page.events("Network.responseReceived")
            if each["response"]["url"].endswith(("/", *names()))
        ]
        scripts = sum(name.endswith("js") for name in names())
        assert page.run("count") == scripts
        assert page.run("[...document.images].every(each => each.naturalWidth == 3)")
        assert page.run("getComputedStyle(document.body).color") == "rgb(0, 128, 0)"
        # Once more: what it has is still good.
        page.go(page.run("location.href"))
        assert page.run("count") == scripts
    assert len(answers) == RESOURCES + 1
    assert {each["status"] for each in answers} == {200}
    assert {each["protocol"] for each in answers} == {"http/1.1"}
    # It keeps at most six connections to one server.
    assert 1 <= len({each["connectionId"] for each in answers}) <= 6


def memory_of(process: Any) -> int:
    """The most bytes of memory that a process has ever held."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def made(file: Path, size: int) -> str:
    """Write so many bytes there that do not repeat; the hash of them."""
    digest = hashlib.sha256()
    with file.open("wb") as output:
        for number in range(size // MEGABYTE):
            block = hashlib.shake_128(b"%d" % number).digest(1000) * 1000
            digest.update(block)
            output.write(block)
    os.utime(file, (1_700_000_000,) * 2)  # what is as young as now has no strong ETag
    return digest.hexdigest()


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    """Where a large file may be; pytest would keep it."""
    file = tmp_path / "large ä.bin"
    yield file
    file.unlink()


def test_a_form_with_a_large_file(chromium: Browser, tmp_path: Path, large: Path) -> None:
    digest = made(large, 100 * MEGABYTE)
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "b.txt").write_text("second")
    (tmp_path / "program.py").write_text(PROGRAM)
    flags = ["--listen", "tcp:0:interface=127.0.0.1", "--no-access-log"]
    with serving("web", "--resource", f"{tmp_path}/program.py:form", *flags) as process:
        page = Page(chromium, "http://{}:{}/".format(*place_of(process)))
        before = memory_of(process)
        page.choose("[name=file]", large)
        page.choose("[name=more]", tmp_path / "a.txt", tmp_path / "b.txt")
        page.run("document.forms[0].title.value = 'Übung & \"more\"'")
        page.run("document.forms[0].submit()")
        page.loaded()
        told = json.loads(page.run("document.body.textContent"))
        grown = memory_of(process) - before
    assert told == {
        "title": 'Übung & "more"',
        "name": "large ä.bin",
        "type": "application/octet-stream",
        "size": 100 * MEGABYTE,
        "digest": digest,
        "more": [["a.txt", "first"], ["b.txt", "second"]],
    }
    assert grown < 10 * MEGABYTE


def test_a_download_that_is_resumed(chromium: Browser, tmp_path: Path) -> None:
    """The connection ends in the middle; it asks for the rest, if that is still the same."""
    site, taken = tmp_path / "site", tmp_path / "taken"
    site.mkdir()
    taken.mkdir()
    digest = made(site / "large.bin", 20 * MEGABYTE)
    with serving("web", str(site), "--listen", "tcp:0:interface=127.0.0.1") as process:
        with cutting(place_of(process), 5 * MEGABYTE) as relay:
            page = Page(chromium, "about:blank")
            chromium.call(
                "Browser.setDownloadBehavior",
                behavior="allow",
                downloadPath=str(taken),
                eventsEnabled=True,
            )
            url = f"http://127.0.0.1:{relay.port}/large.bin"
            page.run(f"location.href = '{url}'")
            chromium.until(
                lambda event: (
                    event["method"] == "Browser.downloadProgress"
                    and event["params"]["state"] != "inProgress"
                )
            )
        lines = sorted(line_of(process).partition('"GET ')[2][:25] for _ in range(2))
    assert relay.cuts == 1
    assert hashlib.sha256((taken / "large.bin").read_bytes()).hexdigest() == digest
    assert lines == [f'/large.bin HTTP/1.1" {status} ' for status in (200, 206)]


# Gives up after the first piece, and asks for the rest: of that version, and of another.
SCRIPT = """
(async () => {
    const stop = new AbortController();
    const first = await fetch("large.bin", {signal: stop.signal});
    const part = (await first.body.getReader().read()).value;
    stop.abort();
    const headers = {"Range": `bytes=${part.length}-`, "If-Range": first.headers.get("ETag")};
    const second = await fetch("large.bin", {headers, cache: "no-store"});
    const changed = await fetch("large.bin",
        {headers: {...headers, "If-Range": '"other"'}, cache: "no-store"});
    const whole = new Blob([part, await second.arrayBuffer()]);
    const hash = await crypto.subtle.digest("SHA-256", await whole.arrayBuffer());
    return {
        digest: [...new Uint8Array(hash)].map(b => b.toString(16).padStart(2, "0")).join(""),
        range: second.headers.get("Content-Range").replace(part.length, "N"),
        statuses: [first.status, second.status, changed.status],
        length: (await changed.arrayBuffer()).byteLength,
    };
})()"""


def test_a_script_that_gives_up_and_asks_for_the_rest(chromium: Browser, tmp_path: Path) -> None:
    digest = made(tmp_path / "large.bin", 5 * MEGABYTE)
    (tmp_path / "index.html").write_text("<!DOCTYPE html><title>download</title>")
    flags = ["--listen", "tcp:0:interface=127.0.0.1", "--no-access-log"]
    with serving("web", str(tmp_path), *flags) as process:
        page = Page(chromium, "http://{}:{}/".format(*place_of(process)))
        found = page.run(SCRIPT)
    assert found == {
        "digest": digest,
        "range": f"bytes N-{5 * MEGABYTE - 1}/{5 * MEGABYTE}",
        "statuses": [200, 206, 200],
        "length": 5 * MEGABYTE,
    }
