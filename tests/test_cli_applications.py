"""WSGI and ASGI applications by `reactorlib web`: real processes, real sockets."""

from __future__ import annotations

import ast
import socket
import subprocess
from pathlib import Path

import pytest

from tests.test_cli import COMMAND, read_all, run
from tests.test_cli_listen import line_of, place_of, serving
from tests.test_cli_website import WEB, get

APPLICATIONS = """\
import asyncio
import os


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = ("SCRIPT_NAME", "PATH_INFO", "REMOTE_ADDR", "wsgi.url_scheme")
    return [repr([environ[name] for name in names]).encode()]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            open(step, "w").close()
            await send({"type": f"lifespan.{step}.complete"})
        return
    names = ("root_path", "path", "client", "scheme")
    body = repr([scope[name] for name in names]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def busy(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("ending", flush=True)
        await asyncio.sleep(0.1)
        await send({"type": "lifespan.shutdown.complete"})
        print("ended", flush=True)
        return
    print("asked", flush=True)
    try:
        await asyncio.sleep(float(scope["query_string"]))
    finally:
        print("done", flush=True)
    await asgi(scope, receive, send)


async def stuck(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if os.environ["STUCK"] == "startup":
            try:
                await asyncio.sleep(0)  # so that the reactor runs
                print("starting", flush=True)
                await asyncio.sleep(1000)
            finally:
                print("cleaned up", flush=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(1000)


async def slow(scope, receive, send):
    await asyncio.sleep(0.05)
    await asgi(scope, receive, send)


async def failing(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def slowly_failing(scope, receive, send):
    await asyncio.sleep(0.05)
    await failing(scope, receive, send)
"""
QUIET = [*WEB, "--no-access-log"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "apps.py").write_text(APPLICATIONS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("root", ["", "/root"])
def test_wsgi(root: str) -> None:
    flags = ["--root-path", root] if root else []
    with serving(*QUIET, "--wsgi", "apps.py:wsgi", *flags) as process:
        status, body = get(place_of(process), "/a/b")
    assert (status, ast.literal_eval(body.decode())) == (200, [root, "/a/b", "127.0.0.1", "http"])


@pytest.mark.parametrize("name", ["asgi", "slow"])
def test_asgi(name: str, folder: Path) -> None:
    flags = ["--root-path", "/root", "--proxy-headers"]
    with serving(*QUIET, "--asgi", f"apps.py:{name}", *flags) as process:
        place = place_of(process)
        status, body = get(place, "/a", X_Forwarded_For="192.0.2.7", X_Forwarded_Proto="https")
        assert status == 200
        told = ast.literal_eval(body.decode())
        assert told == ["/root", "/root/a", ("192.0.2.7", 0), "https"]
        assert (folder / "startup").exists()
        assert not (folder / "shutdown").exists()
    assert (folder / "shutdown").exists()


@pytest.mark.parametrize("name", ["failing", "slowly_failing"])
def test_an_application_that_does_not_start(name: str) -> None:
    result = run(*QUIET, "--asgi", f"apps.py:{name}")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("reactorlib: ")
    assert result.stderr.endswith("no database\n")


def test_workers_that_do_not_start() -> None:
    """A worker is ready when its application is: a failure before that ends all, and nothing
    is announced."""
    result = run(*QUIET, "--asgi", "apps.py:slowly_failing", "--workers", "2")
    assert (result.returncode, result.stdout) == (1, "")
    *_, last = result.stderr.splitlines()
    assert last == "reactorlib: no worker could begin; the reason is above"
    assert "reactorlib: no database" in result.stderr.splitlines()
    assert "Traceback" not in result.stderr


def test_workers_are_announced_when_their_application_has_started(folder: Path) -> None:
    with serving(*QUIET, "--asgi", "apps.py:slow", "--workers", "2") as process:
        place = place_of(process)
        assert (folder / "startup").exists()
        assert get(place, "/")[0] == 200


@pytest.mark.parametrize(
    ("query", "grace", "told"),
    [
        ("0.3", "20", ["asked", "done", "ending", "ended"]),
        ("1000", "0.2", ["asked", "done", "ending", "ended"]),
    ],
)
def test_the_lifespan_ends_after_the_last_request_even_when_the_grace_is_over(
    query: str, grace: str, told: list[str]
) -> None:
    command = [*COMMAND, *QUIET, "--asgi", "apps.py:busy", "--graceful-timeout", grace]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        with socket.create_connection(place_of(process)) as peer:
            peer.sendall(b"GET /?%b HTTP/1.1\r\nHost: x\r\n\r\n" % query.encode())
            assert line_of(process) == "asked\n"
            process.terminate()
            said = read_all(peer)
        output, errors = process.communicate(timeout=20)
    assert ["asked", *output.split()] == told
    assert said.startswith(b"HTTP/1.1 200") == (grace == "20")
    assert ("they are cut" in errors) == (grace != "20")
    assert "Traceback" not in errors
    assert process.returncode == 0


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
def test_an_application_that_neither_starts_nor_ends(
    phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUCK", phase)
    command = [*COMMAND, *QUIET, "--asgi", "apps.py:stuck", "--graceful-timeout", "0.1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        if phase == "startup":
            assert line_of(process) == "starting\n"
        else:
            place_of(process)
        process.terminate()
        output, errors = process.communicate(timeout=20)
    assert output == ("cleaned up\n" if phase == "startup" else "")
    late = "The application did not end well: it was given 3 s"
    assert (late in errors) == (phase == "shutdown")
    assert "pending" not in errors
    assert process.returncode == 0


@pytest.mark.parametrize(
    "served",
    [["--wsgi", "apps.py:wsgi"], ["--asgi", "apps.py:asgi"]],
)
def test_checked(served: list[str]) -> None:
    result = run("web", *served, "--check-config")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
