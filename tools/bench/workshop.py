"""Compiles the C and keeps the peers' virtual environment, each when first needed.

Everything made lies in one folder that can be deleted. The peers' environment
is made once for a list of packages; this checkout is installed into it, from a
copy of its sources, whenever they are newer. A failure raises BenchError.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from bench.processes import BenchError
from bench.programs import Program

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
PEERS = ("twisted", "pyopenssl", "service-identity", "uvloop", "gevent")
HTTP_PEERS = ("uvicorn", "httptools", "granian", "aiohttp", "socketify", "gunicorn", "waitress")
_SOURCES = (
    *("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"),
    *("reactorlib", "backends", "protocols"),
)


class Workshop:
    """Makes in `folder` what is to be measured, and what measures it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def command(self, program: Program) -> list[str]:
        """The command line of a program, made ready to run."""
        source = HERE / program.source
        if source.suffix == ".c":
            binary = self._folder / f"{program.service}-{source.stem}"
            return [self._compile(binary, [source]), *program.arguments]
        python = self._with_checkout if program.ours else self._python
        own = self._certificate if program.tls else ()
        return [python, "-I", str(source), *program.arguments, *own]

    @cached_property
    def load(self) -> str:
        """The path of the load generator."""
        return self._compile(self._folder / "load", _load_sources("channel.c"))

    @cached_property
    def load_tls(self) -> str:
        """The path of the one that speaks TLS. Needs OpenSSL's headers (libssl-dev)."""
        sources = _load_sources("channel_tls.c")
        return self._compile(self._folder / "load-tls", sources, "-lssl", "-lcrypto")

    @cached_property
    def load_udp(self) -> str:
        """The path of the one that sends datagrams."""
        return self._compile(self._folder / "load-udp", _load_sources("channel_udp.c"))

    @cached_property
    def crowd(self) -> str:
        """The path of the one that opens very many connections."""
        shared = [HERE / "load" / name for name in ("clock.c", "histogram.c", "fatal.c")]
        sources = [*(HERE / "crowd").glob("*.[ch]"), *shared]
        options = ("-std=c11", "-D_GNU_SOURCE", f"-I{HERE / 'load'}")
        return self._compile(self._folder / "crowd", sources, *options)

    def load_for(self, program: Program) -> str:
        """The path of the one that speaks as the program does."""
        if program.tls:
            return self.load_tls
        return self.load_udp if program.udp else self.load

    def versions(self) -> dict[str, str]:
        """The versions of what is installed in the peers' environment, by name."""
        listing = _run([self._python, "-m", "pip", "list", "--format=freeze"])
        return dict(line.split("==") for line in listing.split() if "==" in line)

    @cached_property
    def _python(self) -> str:
        folder = self._folder / "venv"
        python = str(folder / "bin" / "python")
        stamp = folder / "peers"
        wanted = f"{sys.version}\n{' '.join(PEERS + HTTP_PEERS)}\n"

        def make() -> None:
            _say(f"making a virtual environment with {', '.join(PEERS + HTTP_PEERS)}")
            _run([sys.executable, "-m", "venv", "--clear", str(folder)])
            _run([python, "-m", "pip", "install", "--quiet", *PEERS])
            for peer in HTTP_PEERS:
                install_if_possible(python, peer)
            stamp.write_text(wanted)

        self._ensure(lambda: stamp.exists() and stamp.read_text() == wanted, make)
        return python

    @cached_property
    def _with_checkout(self) -> str:
        python = self._python
        stamp = self._folder / "venv" / "checkout"
        newest = max(_modified(file) for file in _checkout_files())

        def make() -> None:
            _say("installing this checkout beside the peers")
            stamp.unlink(missing_ok=True)
            _run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "reactorlib"])
            _run([python, "-m", "pip", "install", "--quiet", str(self._copy_sources())])
            stamp.touch()
            os.utime(stamp, (newest, newest))

        self._ensure(lambda: _modified(stamp) >= newest, make)
        return python

    @cached_property
    def _certificate(self) -> tuple[str, str]:
        """The files of a private key and of its certificate, made once."""
        key, certificate = self._folder / "key.pem", self._folder / "certificate.pem"
        if not certificate.exists():
            asked = ["-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=localhost"]
            into = ["-keyout", str(key), "-out", str(certificate)]
            _run(["openssl", "req", "-x509", *asked, *into])
        return str(key), str(certificate)

    def _ensure(self, fresh: Callable[[], bool], make: Callable[[], None]) -> None:
        """Make what is not fresh, but not while another run uses it.

        Until this process ends it holds a shared lock on the environment, which
        is given up for an exclusive one while making.
        """
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        if fresh():
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another run to end, since something has to be installed")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        if not fresh():
            make()
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def _copy_sources(self) -> Path:
        """A copy, because building leaves files behind that outlive their sources."""
        copy = self._folder / "sources"
        shutil.rmtree(copy, ignore_errors=True)
        for file in _checkout_files():
            target = copy / file.relative_to(CHECKOUT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
        return copy

    def _compile(self, binary: Path, sources: Sequence[Path], *libraries: str) -> str:
        if _modified(binary) < max(_modified(source) for source in sources):
            fresh = binary.with_suffix(f".{os.getpid()}")
            c_files = [str(source) for source in sources if source.suffix == ".c"]
            compiler = [os.environ.get("CC", "cc"), "-O2", "-Wall"]
            _run([*compiler, "-o", str(fresh), *c_files, *libraries])
            fresh.replace(binary)
        return str(binary)


def _load_sources(channel: str) -> list[Path]:
    """What a load generator is made of: of its channels it has one."""
    load = HERE / "load"
    others = {file for file in load.glob("channel*.c") if file.name != channel}
    return sorted({*load.glob("*.[ch]")} - others)


def _checkout_files() -> list[Path]:
    roots = [CHECKOUT / name for name in _SOURCES]
    below = [file for root in roots if root.is_dir() for file in root.rglob("*")]
    return [
        file
        for file in (*roots, *below)
        if file.is_file() and file.suffix not in {".so", ".o", ".pyc"}
    ]


def _modified(file: Path) -> float:
    """When a file was changed last; the beginning of time for one that does not exist."""
    return file.stat().st_mtime if file.exists() else 0.0


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    except OSError as problem:
        raise BenchError(f"{command[0]} cannot be run: {problem.strerror}") from problem
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise BenchError(f"{' '.join(command)} failed:\n{last}")
    return done.stdout


def install_if_possible(python: str, peer: str) -> None:
    """Without it, what needs it fails when it is measured."""
    try:
        _run([python, "-m", "pip", "install", "--quiet", peer])
    except BenchError as problem:
        _say(f"{peer} will be missing: {problem}")


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
