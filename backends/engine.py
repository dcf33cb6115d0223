"""The compiled engine's Python face.

One Engine is one `struct engine`. `write`, `send_to` and `send_to_bytes`, the calls
that are made most, are the C functions themselves, bound to the engine; the others
turn their negative errnos into exceptions. A dead handle is never an error: the loss
of a connection is told by its event, and what is asked of it afterwards has no effect.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from errno import EBADF, ECHILD, ENOMEM, EPIPE, ERANGE, EXDEV
from types import MethodType
from typing import Any

from zope.interface import implementer

from reactorlib.backends import spawn
from reactorlib.backends.compiled import load
from reactorlib.backends.survey import Survey
from reactorlib.error import SelectLimitError
from reactorlib.interfaces import IEngine
from reactorlib.program import Program

Record = tuple[int, int, int, int]

NOTHING: tuple[Record, ...] = ()


@implementer(IEngine)
class Engine:
    """The compiled engine on the kernel interface called `name`.

    `native` is the compiled module, for builds other than the installed one.
    Raises OSError if the kernel refuses.
    """

    write: Callable[[int, bytes, int], int]
    send_to: Callable[[int, bytes, int, int], int]
    send_to_bytes: Callable[[int, bytes, int, bytes, int], int]

    def __init__(self, name: str, native: Any = None) -> None:
        native = native or load()
        ffi, lib = native.ffi, native.lib
        out = ffi.new("engine **")
        self.name = name
        self._native = native
        self._select_limit = lib.engine_select_limit()
        self._checked(lib.engine_open(name.encode(), out))
        raw = ffi.gc(out[0], lib.engine_free)
        self.write = MethodType(lib.engine_write, raw)
        self.send_to = MethodType(lib.engine_send_to, raw)
        self.send_to_bytes = MethodType(lib.engine_send_to_bytes, raw)
        self._call = {
            attribute.removeprefix("engine_"): MethodType(getattr(lib, attribute), raw)
            for attribute in dir(lib)
            if attribute.startswith("engine_") and attribute not in _WITHOUT_ENGINE
        }
        self._turn = self._call["turn"]
        self._records = memoryview(
            ffi.buffer(lib.engine_records(raw), lib.engine_records_capacity() * 32)
        ).cast("q")
        self.arena = ffi.buffer(lib.engine_arena(raw), lib.engine_arena_capacity())
        self._counters = ffi.new("struct engine_counters *")
        self._counter_names = [name for name, _ in ffi.typeof("struct engine_counters").fields]

    def turn(self, seconds: float) -> Iterable[Record]:
        count = self._turn(seconds)
        if count <= 0:
            self._checked(count)
            return NOTHING
        numbers = iter(self._records[: 4 * count].tolist())
        return zip(numbers, numbers, numbers, numbers, strict=True)

    def add(self, descriptor: int, kind: int) -> int:
        handle: int = self._call["add"](descriptor, kind)
        if handle == -ERANGE:
            raise SelectLimitError(descriptor, self._select_limit)
        return self._checked(handle)

    def explain_refusal(self, number: int) -> Exception | None:
        """The exception for an EVENT_OVERLOAD that the backend itself caused, if it did."""
        return (
            SelectLimitError(self._select_limit, self._select_limit) if number == ERANGE else None
        )

    def detach(self, handle: int) -> int:
        return self._alive("detach", handle)

    def descriptor(self, handle: int) -> int:
        return self._alive("descriptor", handle)

    def watch(self, handle: int, readable: bool, writable: bool) -> None:
        self._alive("watch", handle, readable, writable)

    def notify(self, handle: int, mask: int) -> None:
        self._alive("notify", handle, mask)

    def explain_write(self, result: int) -> None:
        """Raise what a negative result of `write` stands for, if it is an error."""
        self._checked(result)

    def set_limits(self, handle: int, low: int, high: int, cap: int) -> None:
        self._alive("set_limits", handle, low, high, cap)

    def buffered(self, handle: int) -> int:
        return max(0, self._alive("buffered", handle))

    def sent(self, handle: int) -> int:
        return max(0, self._alive("sent", handle))

    def set_longest(self, handle: int, size: int) -> None:
        self._alive("set_longest", handle, size)

    def take_descriptors(self, handle: int) -> None:
        self._alive("take_descriptors", handle)

    def pass_descriptor(self, handle: int, descriptor: int) -> bool:
        result: int = self._call["pass_descriptor"](handle, descriptor)
        if result in (-EBADF, -EPIPE):
            return False
        self._checked(result)
        return True

    def send_file(self, handle: int, descriptor: int, offset: int, count: int) -> bool:
        result: int = self._call["send_file"](handle, descriptor, offset, count)
        if result in (-EBADF, -EPIPE):
            return False
        self._checked(result)
        return True

    def pause(self, handle: int) -> None:
        self._alive("pause", handle)

    def resume(self, handle: int) -> None:
        self._alive("resume", handle)

    def shut(self, handle: int) -> None:
        self._alive("shut", handle)

    def lose(self, handle: int) -> None:
        self._alive("lose", handle)

    def abort(self, handle: int) -> None:
        self._alive("abort", handle)

    def wake(self) -> None:
        result: int = self._call["wake"]()
        if result != -EBADF:  # closed: there is nobody to wake
            self._checked(result)

    def wake_descriptor(self) -> int:
        return self._checked(self._call["wake_descriptor"]())

    def own(self, owned: bool) -> None:
        self._checked(self._call["own"](owned))

    def counters(self) -> dict[str, int]:
        self._call["count"](self._counters)
        return {name: getattr(self._counters, name) for name in self._counter_names}

    def survey(self) -> Survey:
        return Survey(self._native.ffi, self._call["slots"], self._look)

    def _look(self, *arguments: Any) -> None:
        self._checked(self._call["look"](*arguments))

    def close(self) -> None:
        self._checked(self._call["close"]())

    def spawn(self, program: Program) -> int:
        self.wake_descriptor()  # in no other thread, in no forked child
        return spawn.start(self._native, program)

    def _alive(self, function: str, handle: int, *arguments: int) -> int:
        result: int = self._call[function](handle, *arguments)
        return -1 if result == -EBADF else self._checked(result)

    def _checked(self, result: int) -> int:
        if result >= 0:
            return result
        if result == -EXDEV:
            raise RuntimeError(
                "A reactor's transports and ports belong to the thread that runs it: "
                "from another one, use reactor.callFromThread."
            )
        if result == -ECHILD:
            raise RuntimeError(
                "This reactor belongs to the parent process: a forked child must make its own."
            )
        if result == -ENOMEM:
            raise MemoryError("The engine could not allocate memory.")
        raise OSError(-result, f"{self.name}: {os.strerror(-result)}")


_WITHOUT_ENGINE = {
    "engine_version",
    "engine_backends",
    "engine_select_limit",
    "engine_open",
    "engine_free",
    "engine_records_capacity",
    "engine_arena_capacity",
}


def compiled_backends(native: Any = None) -> tuple[str, ...]:
    """The names of the kernel interfaces that a compiled module has."""
    native = native or load()
    names = native.ffi.new("const char *[16]")
    count = native.lib.engine_backends(names, len(names))
    return tuple(native.ffi.string(names[index]).decode() for index in range(count))
