"""What Flask, Django, Starlette and FastAPI offer their applications, by `reactorlib web`."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.test_cli_listen import place_of, serving

DATA = bytes(range(256)) * 12_000
DIGEST = hashlib.sha256(DATA).hexdigest()
COUNTED = "".join(f"{number}\n" for number in range(100))

FLASK = """
import hashlib, pathlib
from flask import (
    Flask, abort, redirect, render_template, request, send_file, send_from_directory, session,
    stream_with_context, url_for,
)

app = Flask(__name__)
app.secret_key = "no secret"
HERE = pathlib.Path(__file__).parent
torn_down = []

@app.get("/file")
def file():
    return send_file(HERE / "files" / "data.bin", conditional=True)

@app.get("/files/<path:name>")
def files(name):
    return send_from_directory(HERE / "files", name)

@app.post("/upload")
def upload():
    file = request.files["file"]
    file.save(HERE / "saved")
    return {
        "digest": hashlib.sha256((HERE / "saved").read_bytes()).hexdigest(),
        "name": file.filename, "title": request.form["title"],
    }

@app.get("/stream")
def stream():
    def lines():
        for number in range(int(request.args["count"])):
            yield f"{number}\\n"
    return app.response_class(stream_with_context(lines()), mimetype="text/plain")

@app.get("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])

@app.get("/page")
def page():
    return render_template("page.html", name="<x>")

@app.get("/there")
def there():
    return redirect(url_for("count"))

@app.get("/fails")
def fails():
    1 / 0

@app.get("/teapot")
def teapot():
    abort(418)

@app.errorhandler(500)
def failed(error):
    return "it failed", 500

@app.teardown_request
def torn(error):
    torn_down.append(type(error).__name__)

@app.get("/after")
def after():
    return torn_down
"""

DJANGO = """
import asyncio, hashlib, pathlib
import django
from django.conf import settings
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path

HERE = pathlib.Path(__file__).parent

def file(request):
    return FileResponse((HERE / "files" / "data.bin").open("rb"))

def upload(request):
    file = request.FILES["file"]
    digest = hashlib.sha256()
    for piece in file.chunks():
        digest.update(piece)
    return JsonResponse({
        "digest": digest.hexdigest(), "name": file.name, "title": request.POST["title"],
    })

def token(request):
    return HttpResponse(get_token(request))

def stream(request):
    count = int(request.GET["count"])
    async def later():
        for number in range(count):
            yield f"{number}\\n"
            await asyncio.sleep(0)
    lines = (f"{number}\\n" for number in range(count))
    return StreamingHttpResponse(later() if hasattr(request, "scope") else lines)

def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(request.session["count"])

async def gather(request):
    async def double(number):
        await asyncio.sleep(0.001)
        return number * 2
    return JsonResponse(await asyncio.gather(*map(double, range(5))), safe=False)

def fails(request):
    1 / 0

urlpatterns = [
    path("file", file), path("upload", upload), path("token", token), path("stream", stream),
    path("count", count), path("gather", gather), path("fails", fails),
]
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY="no secret",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
)
django.setup()

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
asgi, wsgi = get_asgi_application(), get_wsgi_application()
"""

FASTAPI = """
import asyncio, hashlib, pathlib, subprocess, sys, threading, time
from contextlib import asynccontextmanager
import anyio, httpx
from fastapi import BackgroundTasks, Depends, FastAPI, Form, HTTPException, Request, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

HERE = pathlib.Path(__file__).parent
noted = {"async": asyncio.Event(), "sync": threading.Event()}

@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=60) as client:
        yield {"client": client}

app = FastAPI(lifespan=lifespan)
app.mount("/files", StaticFiles(directory=HERE / "files"))
app.add_middleware(GZipMiddleware)

@app.middleware("http")
async def timed(request, call_next):
    response = await call_next(request)
    response.headers["X-Seen"] = request.url.path
    return response

@app.get("/file")
async def file():
    return FileResponse(HERE / "files" / "data.bin")

@app.post("/upload")
async def upload(file: UploadFile, title: str = Form()):
    digest = hashlib.sha256()
    while piece := await file.read(65_536):
        digest.update(piece)
    return {"digest": digest.hexdigest(), "name": file.filename, "title": title}

@app.get("/stream")
async def stream(count: int):
    async def lines():
        for number in range(count):
            yield f"{number}\\n"
            await asyncio.sleep(0)
    return StreamingResponse(lines(), media_type="text/plain")

class Item(BaseModel):
    name: str
    price: float

def doubled(item: Item) -> float:
    return item.price * 2

@app.post("/item")
async def item(item: Item, twice: float = Depends(doubled)):
    return {"name": item.name, "twice": twice}

@app.get("/fails")
async def fails():
    1 / 0

@app.get("/refused")
async def refused():
    raise HTTPException(418, "a teapot")

@app.get("/later/{kind}")
async def later(kind: str, tasks: BackgroundTasks):
    noted[kind].clear()
    tasks.add_task(note if kind == "async" else note_in_a_thread, kind)
    return "answered"

async def note(kind):
    await asyncio.sleep(0.01)
    noted[kind].set()

def note_in_a_thread(kind):
    assert threading.current_thread() is not threading.main_thread()
    time.sleep(0.01)
    noted[kind].set()

@app.get("/noted")
async def was_noted():
    await asyncio.wait_for(noted["async"].wait(), 30)
    return await asyncio.to_thread(noted["sync"].wait, 30)

@app.get("/waits")
async def waits(request: Request):
    found = {}

    async def keep(name, coroutine):
        found[name] = await coroutine

    async def double(number):
        await asyncio.sleep(0.001)
        return number * 2

    async def timed_out():
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        except asyncio.TimeoutError:
            return "timed out"

    async def program():
        command = [sys.executable, "-c", "print('hello')"]
        running = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        return (await running.communicate())[0].decode()

    async def cancelled():
        task = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return "cancelled"

    async def line():
        async def echo(reader, writer):
            writer.write((await reader.readline()).upper())
            writer.close()
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"stream\\n")
            answer = await reader.readline()
            writer.close()
            return answer.decode()

    async def own():
        url = str(request.url_for("leaf"))
        return (await request.state.client.get(url)).json()

    async def file():
        async with await anyio.open_file(HERE / "files" / "text.txt") as opened:
            return await opened.read()

    async with anyio.create_task_group() as group:
        group.start_soon(keep, "gather", asyncio.gather(*map(double, range(3))))
        group.start_soon(keep, "thread", asyncio.to_thread(lambda: "in a thread"))
        group.start_soon(keep, "wait_for", timed_out())
        group.start_soon(keep, "cancelled", cancelled())
        group.start_soon(keep, "program", program())
        group.start_soon(keep, "line", line())
        group.start_soon(keep, "httpx", own())
        group.start_soon(keep, "file", file())
    return found

@app.get("/leaf")
async def leaf():
    await asyncio.sleep(0)
    return "leaf"
"""

SERVED = {
    "flask": ["--wsgi", "flask_app.py:app"],
    "django by wsgi": ["--wsgi", "django_app.py:wsgi"],
    "django by asgi": ["--asgi", "django_app.py:asgi"],
    "fastapi": ["--asgi", "fastapi_app.py:app"],
}


class Client(httpx.Client):
    """At an application of the framework `name`."""

    name: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frameworks")
    for name, program in (("flask", FLASK), ("django", DJANGO), ("fastapi", FASTAPI)):
        (folder / f"{name}_app.py").write_text(program)
    (folder / "templates").mkdir()
    (folder / "templates" / "page.html").write_text("hello {{ name }}")
    (folder / "files").mkdir()
    (folder / "files" / "data.bin").write_bytes(DATA)
    (folder / "files" / "text.txt").write_text("some text\n")
    return folder


@pytest.fixture(scope="module", params=SERVED)
def client(request: pytest.FixtureRequest, folder: Path) -> Iterator[Client]:
    flags = ["--listen", "tcp:0:interface=127.0.0.1", "--no-access-log", "--log-level", "critical"]
    how, program = SERVED[request.param]
    with serving("web", how, f"{folder}/{program}", *flags) as process:  # from elsewhere
        base = "http://{}:{}".format(*place_of(process))
        plain = {"Accept-Encoding": "identity"}
        with Client(base_url=base, headers=plain, trust_env=False, timeout=60) as client:
            client.name = request.param.partition(" ")[0]
            yield client


def only(*names: str) -> Any:
    """For these applications alone: the others offer no such thing."""
    chosen = [name for name in SERVED if name.startswith(names)]
    return pytest.mark.parametrize("client", chosen, indirect=True)


def test_a_file(client: Client) -> None:
    answer = client.get("/file")
    assert (answer.status_code, answer.content) == (200, DATA)
    if client.name != "fastapi":  # which has no HEAD beside GET
        assert client.head("/file").headers["content-length"] == str(len(DATA))


@only("flask", "fastapi")
def test_a_directory(client: Client) -> None:
    answer = client.get("/files/text.txt")
    assert answer.text == "some text\n"
    conditions = {"If-None-Match": answer.headers["etag"]}
    assert client.get("/files/text.txt", headers=conditions).status_code == 304
    assert client.get("/files/none").status_code == 404
    assert client.get("/files/%2e%2e/flask_app.py").status_code == 404


@only("flask", "fastapi")
def test_a_part_of_a_file(client: Client) -> None:
    answer = client.get("/file", headers={"Range": "bytes=1000-1999"})
    assert (answer.status_code, answer.content) == (206, DATA[1000:2000])
    assert answer.headers["content-range"] == f"bytes 1000-1999/{len(DATA)}"


def test_an_upload(client: Client) -> None:
    headers = {}
    if client.name == "django":
        headers["X-CSRFToken"] = client.get("/token").text
    files = {"file": ("ä b.bin", DATA)}
    answer = client.post("/upload", files=files, data={"title": "Übung"}, headers=headers)
    assert answer.json() == {"digest": DIGEST, "name": "ä b.bin", "title": "Übung"}


def test_a_stream(client: Client) -> None:
    assert client.get("/stream?count=100").text == COUNTED
    with client.stream("GET", "/stream?count=1000000") as answer:
        assert next(answer.iter_text()).startswith("0\n")
    assert client.get("/stream?count=0").text == ""


def test_a_fault(client: Client) -> None:
    assert client.get("/fails").status_code == 500
    assert client.get("/stream?count=1").text == "0\n"


@only("flask", "django")
def test_a_session(client: Client) -> None:
    assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]
    client.cookies.clear()


@only("flask")
def test_pages_of_flask(client: Client) -> None:
    assert client.get("/fails").text == "it failed"
    assert client.get("/page").text == "hello &lt;x&gt;"
    assert client.get("/teapot").status_code == 418
    answer = client.get("/there", follow_redirects=True)
    assert (answer.url.path, answer.text) == ("/count", "1")
    assert client.get("/after").json()[-2:] == ["NoneType", "NoneType"]


@only("django")
def test_pages_of_django(client: Client) -> None:
    assert client.get("/gather").json() == [0, 2, 4, 6, 8]
    assert client.post("/upload").status_code == 403  # no token
    compressed = {"Accept-Encoding": "gzip"}
    with client.stream("GET", "/stream?count=100", headers=compressed) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(b"".join(answer.iter_raw())).decode() == COUNTED


@only("fastapi")
class TestFastAPI:
    def test_models_and_dependencies(self, client: Client) -> None:
        answer = client.post("/item", json={"name": "x", "price": 1.5})
        assert answer.json() == {"name": "x", "twice": 3.0}
        assert answer.headers["x-seen"] == "/item"
        assert client.post("/item", json={"name": "x"}).status_code == 422
        assert client.get("/refused").status_code == 418
        assert client.get("/openapi.json").json()["openapi"]

    def test_what_it_awaits(self, client: Client) -> None:
        assert client.get("/waits").json() == {
            "gather": [0, 2, 4],
            "thread": "in a thread",
            "wait_for": "timed out",
            "cancelled": "cancelled",
            "program": "hello\n",
            "line": "STREAM\n",
            "httpx": "leaf",
            "file": "some text\n",
        }

    def test_background_tasks(self, client: Client) -> None:
        for kind in ("async", "sync"):
            assert client.get(f"/later/{kind}").json() == "answered"
        assert client.get("/noted").json() is True


@pytest.mark.parametrize("name", ["werkzeug.testapp:test_app", "wsgiref.simple_server:demo_app"])
def test_applications_that_come_with_a_library(name: str) -> None:
    flags = ["--listen", "tcp:0:interface=127.0.0.1", "--no-access-log"]
    with serving("web", "--wsgi", name, *flags) as process:
        answer = httpx.get("http://{}:{}/".format(*place_of(process)), trust_env=False)
    assert answer.status_code == 200
    assert "SERVER_PROTOCOL" in answer.text
