"""Workers that are new interpreters, which import the program as multiprocessing has it.

What a new interpreter needs is written to a file without a name, which each worker
inherits: a replacement years later finds there what the first ones found.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import current_process
from multiprocessing.spawn import get_preparation_data, prepare
from typing import Any

from reactorlib.app.workers.sockets import inherited
from reactorlib.app.workers.work import Work
from reactorlib.app.workers.worker import join
from reactorlib.backends import registry

# Of multiprocessing's, what concerns the program and not multiprocessing itself.
OF_THE_PROGRAM = {
    *("sys_path", "sys_argv", "orig_dir", "dir"),
    *("init_main_from_name", "init_main_from_path"),
}

PROGRAM = "from reactorlib.app.workers.spawning import main; main()"


@contextmanager
def written(work: Work, backend: str) -> Iterator[int]:
    """The descriptor of a file with all that a worker needs.

    Raises ValueError if it cannot be sent to another interpreter, RuntimeError if this
    one is a worker that is just importing the program.
    """
    needed = get_preparation_data("")
    program = {name: needed[name] for name in OF_THE_PROGRAM & needed.keys()}
    with tempfile.TemporaryFile() as file:
        file.write(pickle.dumps((backend, program, _pickled(work))))
        file.flush()
        yield file.fileno()


def _pickled(work: Work) -> bytes:
    main = sys.modules["__main__"]
    if getattr(work.start, "__module__", "") == "__main__" and not hasattr(main, "__file__"):
        raise ValueError(f"{work.start!r} is in no file that another interpreter can import")
    try:
        return pickle.dumps(work)
    except Exception as reason:
        raise ValueError(
            f"{work.start!r} cannot be imported by another interpreter: it has to stand "
            f"at the top of a module ({reason})"
        ) from reason


def main() -> None:
    """The life of a worker, which is told where the file is by its last argument."""
    told = inherited()
    assert told is not None
    descriptor = int(sys.argv[-1])
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)  # its position is all workers'
    os.close(descriptor)
    backend, program, pickled = pickle.loads(data)
    registry.install(backend, by_flag=True)
    reactor = importlib.import_module("reactorlib").reactor
    control = join(reactor, told)
    with _importing():
        prepare(program)
        work = pickle.loads(pickled)
    work.do(reactor, control)


@contextmanager
def _importing() -> Iterator[None]:
    """A program that starts workers when it is imported would go on so for ever."""
    process: Any = current_process()
    process._inheriting = True
    try:
        yield
    finally:
        del process._inheriting
