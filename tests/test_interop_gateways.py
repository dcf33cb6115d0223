"""Applications of the usual frameworks, as they are, over TCP."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import django
import flask
import httpx
import pytest
from asgiref.wsgi import WsgiToAsgi
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from fastapi import BackgroundTasks, FastAPI, Request, UploadFile
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route
from werkzeug.middleware.lint import LintMiddleware

from reactorlib.protocols.http.asgi import ASGIResource
from reactorlib.protocols.http.wsgi import WSGIResource
from tests.backends import BACKENDS
from tests.served import Served, served

LARGE = bytes(range(256)) * 12_000
DIGEST = hashlib.sha256(LARGE).hexdigest()


def flask_application() -> flask.Flask:
    application = flask.Flask(__name__)

    @application.route("/hello/<name>")
    def hello(name: str) -> str:
        return f"hello {name}"

    @application.post("/digest")
    def digest() -> dict[str, str]:
        return {"digest": hashlib.sha256(flask.request.get_data()).hexdigest()}

    @application.post("/upload")
    def upload() -> dict[str, str]:
        data = flask.request.files["file"].read()
        return {"digest": hashlib.sha256(data).hexdigest()}

    @application.route("/stream")
    def stream() -> flask.Response:
        return flask.Response(b"%d\n" % number for number in range(1000))

    return application


async def django_hello(request: Any, name: str) -> HttpResponse:
    await asyncio.sleep(0)
    return HttpResponse(f"hello {name}")


def django_digest(request: Any) -> JsonResponse:
    return JsonResponse({"digest": hashlib.sha256(request.body).hexdigest()})


def django_upload(request: Any) -> JsonResponse:
    return JsonResponse({"digest": hashlib.sha256(request.FILES["file"].read()).hexdigest()})


def django_stream(request: Any) -> StreamingHttpResponse:
    async def later() -> AsyncIterator[bytes]:
        for number in range(1000):
            yield b"%d\n" % number

    asynchronous = hasattr(request, "scope")
    return StreamingHttpResponse(
        later() if asynchronous else (b"%d\n" % number for number in range(1000))
    )


urlpatterns = [
    path("hello/<str:name>", django_hello),
    path("digest", django_digest),
    path("upload", django_upload),
    path("stream", django_stream),
]

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
    SECRET_KEY="no secret",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
)
django.setup()


def starlette_application() -> Starlette:
    async def hello(request: StarletteRequest) -> PlainTextResponse:
        await anyio.sleep(0.001)
        return PlainTextResponse(f"hello {request.path_params['name']}")

    async def digest(request: StarletteRequest) -> JSONResponse:
        digest = hashlib.sha256()
        async for piece in request.stream():
            digest.update(piece)
        return JSONResponse({"digest": digest.hexdigest()})

    async def upload(request: StarletteRequest) -> JSONResponse:
        async with request.form() as form:
            file: Any = form["file"]
            return JSONResponse({"digest": hashlib.sha256(await file.read()).hexdigest()})

    async def stream(request: StarletteRequest) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(1000):
                yield b"%d\n" % number

        return StreamingResponse(pieces())

    return Starlette(
        routes=[
            Route("/hello/{name}", hello),
            Route("/digest", digest, methods=["POST"]),
            Route("/upload", upload, methods=["POST"]),
            Route("/stream", stream),
        ]
    )


def fastapi_application() -> FastAPI:
    application = FastAPI()

    @application.get("/hello/{name}")
    def hello(name: str) -> Any:  # not async: FastAPI runs it in a thread
        assert threading.current_thread() is not threading.main_thread()
        return PlainTextResponse(f"hello {name}")

    @application.post("/digest")
    async def digest(request: Request) -> dict[str, str]:
        return {"digest": hashlib.sha256(await request.body()).hexdigest()}

    @application.post("/upload")
    async def upload(file: UploadFile) -> dict[str, str]:
        return {"digest": hashlib.sha256(await file.read()).hexdigest()}

    @application.get("/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(b"%d\n" % number for number in range(1000))

    return application


def by_wsgi(make: Callable[[], Any]) -> Callable[[Any], WSGIResource]:
    return lambda reactor: WSGIResource(reactor, reactor.getThreadPool(), make())


def by_asgi(make: Callable[[], Any]) -> Callable[[Any], ASGIResource]:
    return lambda reactor: ASGIResource(reactor, make())


APPLICATIONS: dict[str, Callable[[Any], Any]] = {
    "flask": by_wsgi(flask_application),
    "flask by asgiref": by_asgi(lambda: WsgiToAsgi(flask_application())),
    "django by wsgi": by_wsgi(get_wsgi_application),
    "django by asgi": by_asgi(get_asgi_application),
    "starlette": by_asgi(starlette_application),
    "fastapi": by_asgi(fastapi_application),
}


@pytest.fixture(scope="module", params=APPLICATIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(APPLICATIONS[request.param]) as server:
        yield server


def test_pages(server: Served) -> None:
    with httpx.Client(base_url=server.url) as client:
        for name in ("world", "ä b"):
            answer = client.get(f"/hello/{name}")
            assert (answer.status_code, answer.text) == (200, f"hello {name}")
        assert client.get("/nowhere").status_code == 404
        assert client.head("/hello/x").content == b""


def test_a_large_body(server: Served) -> None:
    answer = httpx.post(server.url + "/digest", content=LARGE)
    assert answer.json() == {"digest": DIGEST}


@pytest.mark.parametrize("name", ["flask", "django by asgi", "starlette", "fastapi"])
def test_a_body_of_unknown_length(name: str) -> None:
    """The others cannot read one: they ask for its CONTENT_LENGTH."""
    with served(APPLICATIONS[name]) as server:
        pieces = iter([LARGE[:1_000_000], LARGE[1_000_000:]])
        answer = httpx.post(server.url + "/digest", content=pieces)
    assert answer.json() == {"digest": DIGEST}


def test_a_file_of_a_form(server: Served) -> None:
    answer = httpx.post(server.url + "/upload", files={"file": ("a.bin", LARGE)})
    assert answer.json() == {"digest": DIGEST}


def test_a_stream(server: Served) -> None:
    answer = httpx.get(server.url + "/stream")
    assert answer.content == b"".join(b"%d\n" % number for number in range(1000))


def test_what_werkzeug_demands_of_a_server() -> None:
    with served(by_wsgi(lambda: LintMiddleware(flask_application()))) as server:
        assert httpx.get(server.url + "/hello/x").text == "hello x"
        assert httpx.get(server.url + "/stream").status_code == 200


@pytest.mark.parametrize("backend", BACKENDS)
def test_asyncio_in_an_application(backend: str) -> None:
    """httpx, locks, time-outs, tasks, lifespan state and background tasks, on every backend."""
    done = threading.Event()

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with httpx.AsyncClient(timeout=60) as client:
            yield {"client": client, "lock": asyncio.Lock()}
        done.set()

    application = FastAPI(lifespan=lifespan)

    @application.get("/self")
    async def itself(request: Request, tasks: BackgroundTasks) -> list[str]:
        tasks.add_task(note)
        base = str(request.base_url)

        async def fetch(number: int) -> str:
            async with request.state.lock:
                answer = await request.state.client.get(f"{base}leaf/{number}")
            return str(answer.json())

        with anyio.fail_after(60):
            return list(await asyncio.gather(*map(fetch, range(5))))

    @application.get("/leaf/{number}")
    async def leaf(number: int) -> int:
        await asyncio.sleep(0.001)
        return number

    noted = threading.Event()

    async def note() -> None:
        await asyncio.sleep(0.001)
        noted.set()

    with served(lambda reactor: ASGIResource(reactor, application), backend) as server:
        lifespan_of = server.site.resource.lifespan
        server.call(lifespan_of.startup)
        assert httpx.get(server.url + "/self").json() == ["0", "1", "2", "3", "4"]
        assert noted.wait(60)
        server.call(lifespan_of.shutdown)
        assert done.is_set()


@pytest.mark.parametrize("make", [starlette_application, fastapi_application])
def test_a_client_that_leaves_a_stream(
    make: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    application = make()
    closed = threading.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 10_000
                await asyncio.sleep(0)
        finally:
            closed.set()

    async def page(request: StarletteRequest) -> StreamingResponse:
        return StreamingResponse(endless())

    application.router.routes.append(Route("/endless", page))
    with served(by_asgi(lambda: application)) as server:
        with httpx.stream("GET", server.url + "/endless") as answer:
            assert next(answer.iter_bytes())
        assert closed.wait(60)
    assert [record for record in caplog.records if record.name == "reactorlib"] == []
