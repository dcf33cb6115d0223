"""The cffi build of the HTTP parser.

`ffibuilder` makes `reactorlib.protocols._http`. It shares nothing with the
engine's: wire code works without one.
"""

import ast
from pathlib import Path

from cffi import FFI

HERE = Path("protocols/native")
HEADER = "http_api.h"


def package_version() -> str:
    text = Path("reactorlib/_version.py").read_text(encoding="utf-8")
    assignment = ast.parse(text).body[-1]
    return str(ast.literal_eval(assignment.value))


def http_builder(name, flags=()):
    """An FFI that compiles the parser as module `name`, with more flags for the compiler."""
    builder = FFI()
    builder.cdef((HERE / HEADER).read_text(encoding="utf-8"))
    builder.set_source(
        name,
        f'#include <stdint.h>\n#include "{HEADER}"\n',
        sources=sorted(str(path) for path in HERE.glob("*.c")),
        include_dirs=[str(HERE)],
        define_macros=[("REACTORLIB_VERSION", f'"{package_version()}"')],
        extra_compile_args=["-std=c11", "-D_GNU_SOURCE", "-O2", *flags],
        extra_link_args=list(flags),
        py_limited_api=True,
    )
    return builder


ffibuilder = http_builder("reactorlib.protocols._http")
