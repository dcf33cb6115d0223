"""Builds the engine's sources under other conditions than the installed module's.

Each build goes through the engine's own build script, in a directory under
`build/test-native` that is named after a hash of everything that goes in: a
second run finds it there. Builds may run side by side; one of them wins.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "test-native"
STANDIN = Path("tests/native/standin")

# What is copied to where it is built, with the same names: the scripts' paths
# are relative to the repository's root.
INGREDIENTS = (
    "backends/native/*.[ch]",
    "backends/native/build.py",
    "protocols/native/*.[ch]",
    "reactorlib/_version.py",
    "tests/native/*.[ch]",
    "tests/native/http/*.c",
    "tests/native/build.py",
    "tests/native/clock/*.c",
    "tests/native/standin/*.c",
    "tests/native/standin/sys/*.h",
)

SANITIZERS = (
    "-g",
    "-O1",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
)

WARNINGS = (
    "-std=c11",
    "-D_GNU_SOURCE",
    "-Wall",
    "-Wextra",
    "-Werror",
    '-DREACTORLIB_VERSION="test"',
)

# The engine driver's own conditions. LINGER_MS is short, so that a test can wait for it.
DRIVER = (
    *WARNINGS,
    "-DLINGER_MS=40",
    "-DREACTORLIB_HAVE_KQUEUE=1",
    "-Ibackends/native",
    f"-I{STANDIN}",
)
WRAPPED = ("malloc", "calloc", "realloc", "send", "recv", "accept4")


@dataclass(frozen=True)
class Variant:
    """An extension module of the engine with kqueue on the stand-in."""

    name: str
    flags: tuple[str, ...] = ()
    macros: tuple[tuple[str, str], ...] = ()

    @property
    def module(self) -> str:
        return f"reactorlib_engine_{self.name}"


KQUEUE = Variant("kqueue", macros=(("REACTORLIB_WITHOUT_MMSG", "1"),))
SANITIZED = Variant("sanitized", SANITIZERS)
VARIANTS = {variant.name: variant for variant in (KQUEUE, SANITIZED)}


def load(variant: Variant) -> Any:
    """The compiled module of a variant, with `ffi` and `lib`, built if need be."""
    path = next(extension(variant).glob("*.so"))
    spec = importlib.util.spec_from_file_location(variant.module, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def extension(variant: Variant) -> Path:
    """The directory with the compiled extension module of a variant."""
    command = [sys.executable, "tests/native/build.py", variant.name]
    tag = f"{variant}{sys.version}"
    return cached(variant.name, tag, lambda place: run(command, place))


@cache
def driver() -> Path:
    """The engine's driver in C, under the sanitizers."""
    wrap = [f"-Wl,--wrap={name}" for name in WRAPPED]
    command = ["cc", *DRIVER, *SANITIZERS, *wrap, "-o", "driver"]

    def make(place: Path) -> None:
        patterns = ("backends/native/*.c", "tests/native/*.c", "tests/native/standin/*.c")
        sources = [str(each) for pattern in patterns for each in sorted(place.glob(pattern))]
        run([*command, *sources, "-lm", "-lpthread"], place)

    return cached("driver", str(command), make) / "driver"


@cache
def shifted_clock() -> Path:
    """A library to be loaded before all others: it moves the wall clock."""
    command = ["cc", "-std=c11", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
    command += ["-o", "shift.so", "tests/native/clock/shift.c"]
    return cached("clock", str(command), lambda place: run(command, place)) / "shift.so"


@cache
def http_driver(*flags: str) -> Path:
    """The driver of the HTTP parser, under the sanitizers, with more flags for the compiler."""
    command = ["cc", *WARNINGS, *SANITIZERS, *flags, "-Iprotocols/native", "-o", "driver"]

    def make(place: Path) -> None:
        patterns = ("protocols/native/*.c", "tests/native/http/*.c")
        sources = [str(each) for pattern in patterns for each in sorted(place.glob(pattern))]
        run([*command, *sources], place)

    return cached("http", str(command), make) / "driver"


def sanitizer_runtimes() -> str:
    """What LD_PRELOAD needs before a sanitized module can be loaded into Python."""
    names = ("libasan.so", "libubsan.so")
    return " ".join(
        subprocess.run(
            ["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in names
    )


def cached(name: str, tag: str, make: Callable[[Path], object]) -> Path:
    """The directory that `make` has filled, now or in an earlier run.

    It gets a copy of the ingredients, and is known by them, `name` and `tag`.
    """
    place = CACHE / f"{name}-{_digest(tag)}"
    if place.exists():
        return place
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, ignore_cleanup_errors=True) as scratch:
        draft = Path(scratch, "draft")
        for source in _ingredients():
            target = draft / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        make(draft)
        try:
            os.rename(draft, place)
        except OSError:  # another one was faster
            if not place.exists():
                raise
    return place


def run(command: list[str], place: Path) -> None:
    """Run a compiler; its words become the error's."""
    result = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{result.stdout}{result.stderr}")


def _ingredients() -> list[Path]:
    return sorted(path for pattern in INGREDIENTS for path in ROOT.glob(pattern))


def _digest(tag: str) -> str:
    digest = hashlib.sha256(tag.encode())
    for source in _ingredients():
        digest.update(f"{source.relative_to(ROOT)}\0".encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def _compile_here(variant: Variant) -> None:
    """Compile a variant into the current directory, which holds the ingredients."""
    spec = importlib.util.spec_from_file_location("engine_build", "backends/native/build.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    builder = script.engine_builder(
        variant.module,
        sources=[str(STANDIN / "kqueue.c")],
        macros=[("REACTORLIB_HAVE_KQUEUE", "1"), *variant.macros],
        include_dirs=[str(STANDIN)],
        compile_args=list(variant.flags),
        link_args=list(variant.flags),
    )
    builder.compile(tmpdir=".")


if __name__ == "__main__":
    _compile_here(VARIANTS[sys.argv[1]])
