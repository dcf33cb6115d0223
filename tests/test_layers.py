"""Imports go one way: a module imports from its own layer and those below it.

LAYERS is the map. A new module of the reactor or the transports must be put on
it by hand; wire code and what stands above it is known by its package.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "reactorlib": ROOT / "reactorlib",
    "reactorlib.backends": ROOT / "backends",
    "reactorlib.protocols": ROOT / "protocols",
}

VALUES, ENGINE, REACTOR, TRANSPORTS, WIRE, USE = range(6)

LAYERS = {
    VALUES: "_version address compiled error failure interfaces program rlimit",
    ENGINE: "backends",
    REACTOR: """
        asyncioloop base cooperator defer signals sinks stopwatch systemevent
        task threadpool threads timers watch
    """,
    TRANSPORTS: """
        baseconnector budget certificate congestion connection connector cork datagram
        datagramprotocol endpoints exits files hostcache hostnames lockfile multicast
        overload pipes posixbase process protocol race resolve sendfile socketfile sockets ssl stdio
        stream systemd tcp tls tlslayer tlssession udp udpbase unix unixbase
        unixdatagram utils
    """,
    WIRE: "protocols",
    USE: "__main__ _global app running testing",
}

# Those that ask for the process's reactor when they are called, never before.
ASK_FOR_THE_REACTOR = {
    "reactorlib.cooperator",
    "reactorlib.protocols.http.servlet.daemon",
    "reactorlib.running",
    "reactorlib.stdio",
    "reactorlib.task",
    "reactorlib.threads",
    "reactorlib.utils",
}

# What layers above the engine may know of it; and wire code, of the transports.
OF_THE_ENGINE = {"reactorlib.backends.events"}
OF_THE_TRANSPORTS = {
    "reactorlib.congestion",
    "reactorlib.endpoints",
    "reactorlib.endpoints.fields",
    "reactorlib.endpoints.opening",
    "reactorlib.endpoints.strings",
    "reactorlib.protocol",
}

# Parsers and framers: they never see a transport, a clock or a thread.
SANS_IO = {
    "reactorlib.protocols.framing",
    "reactorlib.protocols.http.formparsers",
    "reactorlib.protocols.http.parser",
    "reactorlib.protocols.proxyheader",
}
NEVER_SANS_IO = {"asyncio", "select", "selectors", "socket", "threading", "time"}

# Imports inside functions: what they load by name, or seldom and at a price.
INSIDE_FUNCTIONS = {
    ("reactorlib.endpoints.strings", "importlib.metadata"),
    ("reactorlib.backends.registry", "importlib.metadata"),
    ("reactorlib.posixbase", "reactorlib.tls"),
}

# Loaded by pytest before coverage is measured: what it needs, it imports when it is used.
IMPORTS_LATE = {"reactorlib.testing.plugin"}


def sources() -> dict[str, Path]:
    """Every module of the package, by the name it is imported by."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            if "native" not in parts:  # builds, not part of the package
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                found[".".join((package, *parts))] = path
    return found


SOURCES = sources()


LAYER_OF = {name: number for number, names in LAYERS.items() for name in names.split()}


def layer(module: str) -> int:
    """The number of a module's layer; the package itself is of the topmost."""
    top = module.split(".")[1] if "." in module else "_global"
    assert top in LAYER_OF, f"{module} is not on the map: to which layer does it belong?"
    return LAYER_OF[top]


def is_for_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def import_nodes(node: ast.AST, in_function: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Each import statement, and whether it is in a function."""
    for child in ast.iter_child_nodes(node):
        if is_for_type_checking(child):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, in_function
        function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from import_nodes(child, in_function or function)


def named(node: ast.AST) -> Iterator[str]:
    """The modules that an import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "an import names its module in full"
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield whole if whole in SOURCES else str(node.module)


def imports(source: str) -> list[tuple[str, bool]]:
    """The modules that a source imports, and whether inside a function."""
    return [
        (name, inside) for node, inside in import_nodes(ast.parse(source)) for name in named(node)
    ]


@cache
def imports_of(module: str) -> list[tuple[str, bool]]:
    """The same of a module of the package."""
    return imports(SOURCES[module].read_text(encoding="utf-8"))


def own(module: str) -> list[str]:
    """The modules of the package that a module imports."""
    return [name for name, _ in imports_of(module) if name.split(".")[0] == "reactorlib"]


def faults(module: str) -> Iterator[str]:
    """What is wrong with a module's imports."""
    here = layer(module)
    for name in own(module):
        if name == "reactorlib":
            if module not in ASK_FOR_THE_REACTOR:
                yield "the package itself, where the process's reactor is"
            continue
        there = layer(name)
        if there > here:
            yield f"{name}, of a layer above"
        if there == ENGINE and ENGINE < here < USE and name not in OF_THE_ENGINE:
            yield f"{name}: an engine is given, not chosen"
        if there == TRANSPORTS and here == WIRE and name not in OF_THE_TRANSPORTS:
            yield f"{name}: wire code is given a transport"
        if module in SANS_IO and there != VALUES:
            yield f"{name}: it is to see bytes only"


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_imports_go_down(module: str) -> None:
    assert list(faults(module)) == []


@pytest.mark.parametrize("module", sorted(SANS_IO))
def test_a_parser_sees_neither_sockets_nor_clocks(module: str) -> None:
    assert {name for name, _ in imports_of(module)}.isdisjoint(NEVER_SANS_IO)


def test_nothing_is_imported_inside_a_function() -> None:
    modules = set(SOURCES) - IMPORTS_LATE
    inside = {(module, name) for module in modules for name, is_in in imports_of(module) if is_in}
    assert inside == INSIDE_FUNCTIONS


def test_there_is_no_second_copy_of_a_module() -> None:
    """From the repository's root, `backends` and `protocols` can be imported too."""
    named = {name.split(".")[0] for module in SOURCES for name, _ in imports_of(module)}
    assert named.isdisjoint({"backends", "protocols", "tests"})
    assert {"backends", "protocols"}.isdisjoint(sys.modules)


def test_no_module_imports_itself_in_the_end() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module in done:
            return
        for name in own(module):
            # A package's own __init__ re-exports what is in it.
            if name in SOURCES and not module.startswith(f"{name}.") and name != "reactorlib":
                visit(name, (*path, module))
        done.add(module)

    for module in SOURCES:
        visit(module, ())


def test_the_map_is_complete_and_has_nothing_that_is_gone() -> None:
    tops = {name.split(".")[1] for name in SOURCES if "." in name}
    assert tops == set(LAYER_OF)
    assert set(SOURCES) >= OF_THE_ENGINE | OF_THE_TRANSPORTS | SANS_IO | ASK_FOR_THE_REACTOR


def test_the_reader_of_imports_finds_them_all() -> None:
    source = """
import a
from reactorlib import error, __version__
if TYPE_CHECKING:
    import hidden
class C:
    import b
    async def f(self):
        if self:
            from c import d
"""
    assert imports(source) == [
        ("a", False),
        ("reactorlib.error", False),
        ("reactorlib", False),
        ("b", False),
        ("c", True),
    ]
