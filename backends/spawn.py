"""The Python face of spawn.c: it starts a program, or raises why it cannot.

What C is shown is kept alive until the child executes its program, or has
failed to.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from reactorlib.program import Program


def start(native: Any, program: Program) -> int:
    """See IEngine.spawn; `native` is the compiled module."""
    ffi, lib = native.ffi, native.lib
    new = ffi.new
    texts = [
        _texts(ffi, program.candidates()),
        _texts(ffi, program.arguments),
        _texts(ffi, map(b"%b=%b".__mod__, program.environment.items())),
    ]
    lists = [new("char *[]", pointers) for pointers in texts]
    directory = ffi.NULL if program.directory is None else new("char[]", program.directory)
    descriptors, groups = new("int[]", program.descriptors), new("uint32_t[]", program.groups)
    plan = {
        "candidates": ffi.cast("const char **", lists[0]),
        "argv": lists[1],
        "envp": lists[2],
        "directory": directory,
        "descriptors": descriptors,
        "count": len(descriptors),
        "terminal": program.terminal,
        "uid": program.uid,
        "gid": program.gid,
        "groups": groups,
        "group_count": len(groups),
    }
    step = new("int *")
    pid: int = lib.spawn_child(new("struct spawn_plan *", plan), step)
    if pid < 0:
        raise _refusal(lib, step[0], -pid, program)
    return pid


def _texts(ffi: Any, texts: Iterable[bytes]) -> list[Any]:
    """Each of them in C's memory, and the NULL that ends a list."""
    return [*(ffi.new("char[]", text) for text in texts), ffi.NULL]


def _refusal(lib: Any, step: int, number: int, program: Program) -> OSError:
    """What to raise: it names the program, or the directory if that is at fault."""
    trouble = {
        lib.SPAWN_DESCRIPTORS: "its descriptors cannot be set up",
        lib.SPAWN_TERMINAL: "it cannot be given its terminal",
        lib.SPAWN_DIRECTORY: "no program can start there",
        lib.SPAWN_IDENTITY: "its user or group cannot be changed",
    }
    culprit = program.directory if step == lib.SPAWN_DIRECTORY else program.name
    details = [os.strerror(number), *([trouble[step]] if step in trouble else [])]
    return OSError(number, "; ".join(details), os.fsdecode(culprit or b""))
