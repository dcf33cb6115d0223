"""The asyncio loop of a reactor: what asyncio programs rely on, on every backend."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

import reactorlib
from reactorlib.asyncioloop import eventLoopOf
from reactorlib.defer import Deferred
from reactorlib.posixbase import Reactor
from reactorlib.testing import MemoryReactorClock
from tests.backends import BACKENDS


@pytest.fixture(params=BACKENDS)
def reactor(request: pytest.FixtureRequest) -> Iterator[Any]:
    reactor = Reactor(BACKENDS[request.param]())
    yield reactor
    eventLoopOf(reactor).close()
    reactor.close()


def run(reactor: Any, main: Callable[[], Any]) -> Any:
    """What comes of a coroutine function of asyncio's."""
    loop = eventLoopOf(reactor)
    return reactorlib.run(lambda _: Deferred.fromFuture(loop.start(main())), reactor=reactor)


def test_there_is_one_loop_of_a_reactor(reactor: Any) -> None:
    assert eventLoopOf(reactor) is eventLoopOf(reactor)
    assert eventLoopOf(reactor).time() == pytest.approx(reactor.seconds(), abs=1)


def test_sleeping_and_time_outs(reactor: Any) -> None:
    order: list[str] = []

    async def sleep(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        order.append(name)

    async def main() -> str:
        await asyncio.gather(sleep(0.03, "c"), sleep(0.02, "b"), sleep(0.01, "a"), sleep(0, "0"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        return "done"

    assert run(reactor, main) == "done"
    assert order == ["0", "a", "b", "c"]


def test_timers_that_are_cancelled_wake_nobody() -> None:
    reactor = MemoryReactorClock()
    loop = eventLoopOf(reactor)
    called: list[str] = []
    loop.call_later(2, called.append, "late")
    loop.call_later(1, called.append, "never").cancel()
    loop.call_later(1.5, called.append, "early")
    reactor.advance(1.4)
    assert called == []
    reactor.pump([0.1, 0, 0])
    assert called == ["early"]
    reactor.pump([0.5, 0, 0])
    assert called == ["early", "late"]
    reactor.pump([0, 0, 0])
    assert not reactor.getDelayedCalls()
    loop.call_later(1, called.append, "never")
    loop.close()
    assert loop.is_closed()
    assert not loop.is_running()
    reactor.advance(5)
    assert called == ["early", "late"]


def test_a_task_begins_at_once_in_a_context_of_its_own() -> None:
    loop = eventLoopOf(MemoryReactorClock())
    name: ContextVar[str] = ContextVar("name", default="outside")
    seen: list[Any] = []

    async def inner() -> None:
        seen.append((name.get(), asyncio.current_task() is not None))

    async def main() -> str:
        name.set("inside")
        assert asyncio.get_running_loop() is loop
        task = loop.start(inner())  # a task is running: this one waits for its turn
        assert seen == []
        await task
        return "done"

    task = loop.start(main())
    assert name.get() == "outside"
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    assert not task.done()
    for _ in range(4):
        loop._reactor.advance(0)
    assert task.result() == "done"
    assert seen == [("inside", True)]


def test_sockets_streams_and_threads(reactor: Any) -> None:
    async def echo(reader: Any, writer: Any) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        data = bytes(range(256)) * 8000
        writer.write(data)
        writer.write_eof()
        back = await reader.read()
        assert back == data
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        loop = asyncio.get_running_loop()
        name = await loop.run_in_executor(None, lambda: threading.current_thread().name)
        assert name != threading.current_thread().name
        found = await loop.getaddrinfo("127.0.0.1", 80)
        assert found[0][4] == ("127.0.0.1", 80)
        await loop.shutdown_default_executor()
        return back[:2]

    assert run(reactor, main) == b"\0\1"


def test_readers_and_writers(reactor: Any) -> None:
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)

    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        writable, readable = loop.create_future(), loop.create_future()
        loop.add_writer(left, writable.set_result, None)
        loop.add_reader(left, readable.set_result, None)
        await writable
        assert loop.remove_writer(left)
        assert not readable.done()
        right.send(b"x")
        await readable
        assert loop.remove_reader(left)
        assert not loop.remove_reader(left)
        await loop.sock_sendall(left, b"y")
        return left.recv(10) + await loop.sock_recv(right, 10)

    with left, right:
        assert run(reactor, main) == b"xy"


def test_a_refused_connection(reactor: Any) -> None:
    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*bound.getsockname())

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        run(reactor, main)


def test_programs(reactor: Any) -> None:
    async def main() -> bytes:
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print('hello')", stdout=subprocess.PIPE
        )
        out, _ = await program.communicate()
        assert program.returncode == 0
        return out

    assert run(reactor, main) == b"hello\n"


def test_deferreds_and_futures_wait_for_each_other(reactor: Any) -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        deferred: Deferred[str] = Deferred()
        reactor.callLater(0, deferred.callback, "fired")
        return await deferred.asFuture(loop)

    assert run(reactor, main) == "fired"


def test_forgotten_async_generators_are_closed(reactor: Any) -> None:
    closed = asyncio.Event()

    async def generator() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.set()

    async def main() -> None:
        async for _ in generator():
            break
        gc.collect()
        await closed.wait()

    hooks = sys.get_asyncgen_hooks()
    run(reactor, main)
    assert sys.get_asyncgen_hooks() == hooks


def test_a_callback_that_raises_is_told_to_the_handler(reactor: Any) -> None:
    told: list[Any] = []

    def fail() -> None:
        raise KeyError("x")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))
        loop.call_soon(fail)
        await asyncio.sleep(0.01)

    run(reactor, main)
    assert [type(error) for error in told] == [KeyError]


def test_what_is_the_reactors_is_refused(reactor: Any) -> None:
    loop = eventLoopOf(reactor)
    with pytest.raises(RuntimeError):
        loop.run_forever()
    with pytest.raises(NotImplementedError):
        loop.add_signal_handler(2, print)
    loop.call_soon(loop.stop)
    reactor.run()
    assert not reactor.running


def test_a_loop_within_a_loop_of_asyncios_own() -> None:
    mine = eventLoopOf(MemoryReactorClock())

    async def inner() -> Any:
        return asyncio.get_running_loop()

    async def outer() -> None:
        hooks = sys.get_asyncgen_hooks()
        assert mine.start(inner()).result() is mine
        assert asyncio.get_running_loop() is not mine
        assert sys.get_asyncgen_hooks() == hooks

    asyncio.run(outer())


def test_a_watched_socket_that_is_closed_unannounced(reactor: Any) -> None:
    left, right = socket.socketpair()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        noticed = asyncio.Event()
        loop.add_reader(left.fileno(), noticed.set)
        number = left.fileno()
        right.close()
        await asyncio.wait_for(noticed.wait(), 30)
        loop.remove_reader(number)
        left.close()

    run(reactor, main)


def test_a_task_begun_in_a_callback_of_the_loop() -> None:
    reactor = MemoryReactorClock()
    loop = eventLoopOf(reactor)
    results: list[Any] = []

    async def inner() -> Any:
        return asyncio.get_running_loop()

    def begin() -> None:
        results.append(loop.start(inner()).result())
        results.append(asyncio.get_running_loop())

    loop.call_soon(begin)
    reactor.advance(0)
    assert results == [loop, loop]


def test_the_end_of_a_loop_that_watches() -> None:
    reactor = MemoryReactorClock()
    loop = eventLoopOf(reactor)
    left, right = socket.socketpair()
    with left, right:
        loop.add_reader(left, print)
        loop.add_writer(left, print)
        (watched,) = reactor.getReaders()
        assert reactor.getWriters() == [watched]
        assert (watched.fileno(), watched.logPrefix()) == (left.fileno(), "asyncio")
        with pytest.raises(KeyError):
            loop._selector.register(left, 1)
        registered = loop._selector.get_map()
        assert (list(registered), len(registered)) == ([left.fileno()], 1)
        assert registered.get(left) is registered.get(left.fileno()) is not None
        assert registered.get(right) is None
        loop.call_soon(print)
        loop.close()
        assert reactor.getReaders() == reactor.getWriters() == []
        reactor.advance(0)
        loop.close()


def test_what_is_ready_and_no_longer_wanted() -> None:
    reactor = MemoryReactorClock()
    loop = eventLoopOf(reactor)
    called: list[str] = []
    left, right = socket.socketpair()
    with left, right:
        loop.add_reader(left, called.append, "read")
        loop.add_writer(left, called.append, "written")
        (watched,) = reactor.getReaders()
        watched.doRead()
        loop.remove_reader(left)
        reactor.pump([0, 0])
        assert called == []
        watched.connectionLost(None)  # as the reactor tells at its end
        reactor.pump([0, 0])
        assert called == ["written"]
        loop.close()
