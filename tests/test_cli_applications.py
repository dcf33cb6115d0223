"""WSGI and ASGI applications by `reactorlib web`: real processes, real sockets."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.test_cli import run
from tests.test_cli_listen import place_of, serving
from tests.test_cli_website import WEB, get

APPLICATIONS = """\
import asyncio


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


@pytest.mark.parametrize(
    "served",
    [["--wsgi", "apps.py:wsgi"], ["--asgi", "apps.py:asgi"]],
)
def test_checked(served: list[str]) -> None:
    result = run("web", *served, "--check-config")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
