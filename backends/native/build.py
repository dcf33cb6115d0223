"""The cffi build of the engine.

`ffibuilder` makes `reactorlib.backends._engine`. The tests use
`engine_builder` to make the same sources under other conditions.
"""

import ast
import sys
from pathlib import Path

from cffi import FFI

HERE = Path("backends/native")
HEADERS = ("engine_api.h", "spawn_api.h")
SOURCES = sorted(str(path) for path in HERE.glob("*.c"))
HAS_KQUEUE = sys.platform == "darwin" or "bsd" in sys.platform


def package_version() -> str:
    text = Path("reactorlib/_version.py").read_text(encoding="utf-8")
    assignment = ast.parse(text).body[-1]
    return str(ast.literal_eval(assignment.value))


def engine_builder(name, sources=(), macros=(), include_dirs=(), compile_args=(), link_args=()):
    """An FFI that compiles the engine as module `name`, with what is given added."""
    builder = FFI()
    for header in HEADERS:
        builder.cdef((HERE / header).read_text(encoding="utf-8"))
    builder.set_source(
        name,
        "#include <stddef.h>\n#include <stdint.h>\n#include <sys/types.h>\n"
        + "".join(f'#include "{header}"\n' for header in HEADERS),
        sources=[*SOURCES, *sources],
        include_dirs=[str(HERE), *include_dirs],
        define_macros=[("REACTORLIB_VERSION", f'"{package_version()}"'), *macros],
        # -pthread: before glibc 2.34, pthread_atfork is in a library of its own.
        extra_compile_args=["-std=c11", "-D_GNU_SOURCE", "-O2", "-pthread", *compile_args],
        extra_link_args=["-pthread", *link_args],
        libraries=["m"],
        py_limited_api=True,
    )
    return builder


ffibuilder = engine_builder(
    "reactorlib.backends._engine",
    macros=[("REACTORLIB_HAVE_KQUEUE", "1")] if HAS_KQUEUE else [],
)
