"""What `reactorlib web` can serve, by the flag that names it: each makes a resource.

What a user got wrong is a UserMistake in one line; what his program raises while it is
loaded goes on, for that is for him to read. Each module is loaded only if it is needed.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reactorlib.app.commands.run import load
from reactorlib.app.mistakes import UserMistake

MODULES = "reactorlib.protocols.http."
RESOURCE = ("isLeaf", "render", "getChildWithDefault")


@dataclass(frozen=True)
class Application:
    """A resource, and what is awaited before it is served and when it is served no more."""

    resource: Any
    lifespan: Any = None  # with startup and shutdown


def named(options: argparse.Namespace) -> str | None:
    """What there is to serve, as the name of its option; None for the page of our own."""
    given = [name for name in MAKERS if getattr(options, name) is not None]
    if len(given) > 1:
        flags = " and ".join("PATH" if name == "path" else f"--{name}" for name in given)
        raise UserMistake(f"{flags}: one of these at a time", 2)
    if options.root_path and given not in (["wsgi"], ["asgi"]):
        raise UserMistake("--root-path is for --wsgi and --asgi", 2)
    if options.root_path and not options.root_path.startswith("/"):
        raise UserMistake(f"--root-path {options.root_path} does not begin with /", 2)
    return given[0] if given else None


def make(name: str, reactor: Any, options: argparse.Namespace) -> Application:
    """What an option names. Raises UserMistake."""
    return MAKERS[name](reactor, getattr(options, name), options)


def _of(module: str, name: str) -> Any:
    return getattr(importlib.import_module(MODULES + module), name)


def _files(reactor: Any, path: str, options: argparse.Namespace) -> Application:
    if not os.path.exists(path):
        raise UserMistake(f"there is no file or directory {path}")
    if not (os.path.isdir(path) or os.path.isfile(path)):
        raise UserMistake(f"{path} is neither a file nor a directory")
    if not os.access(path, os.R_OK | (os.X_OK if os.path.isdir(path) else 0)):
        raise UserMistake(f"{path} may not be read")
    served = _of("static", "File")(path, listDirectories=True)
    served.isLeaf = os.path.isfile(path)  # one file is at every place
    return Application(served)


def _wsgi(reactor: Any, program: str, options: argparse.Namespace) -> Application:
    application = load(program)
    if _is_asynchronous(application):
        raise UserMistake(f"{program} is asynchronous: that is for --asgi")
    if not _takes(application, 2):
        raise UserMistake(f"{program} is no WSGI application: it takes no environ, start_response")
    served = _below(options.root_path, application) if options.root_path else application
    pool = reactor.getThreadPool()
    return Application(_of("wsgi", "WSGIResource")(reactor, pool, served))


def _below(root: str, application: Callable[..., Any]) -> Callable[..., Any]:
    """The application, told that it stands there for the outside."""
    root = root.rstrip("/")

    def served(environ: dict[str, Any], start_response: Any) -> Any:
        environ["SCRIPT_NAME"] = root + environ.get("SCRIPT_NAME", "")
        return application(environ, start_response)

    return served


def _asgi(reactor: Any, program: str, options: argparse.Namespace) -> Application:
    application = load(program)
    if not _takes(application, 3):
        raise UserMistake(f"{program} is no ASGI application: it takes no scope, receive, send")
    resource = _of("asgi", "ASGIResource")(reactor, application, options.root_path)
    return Application(resource, resource.lifespan)


def _resource(reactor: Any, program: str, options: argparse.Namespace) -> Application:
    found = load(program)
    if inspect.isclass(found):
        raise UserMistake(f"{program} is a class: name an instance of it")
    missing = [name for name in RESOURCE if not hasattr(found, name)]
    if missing:
        raise UserMistake(f"{program} is no resource: it has no {missing[0]}")
    return Application(found)


def _proxy(reactor: Any, url: str, options: argparse.Namespace) -> Application:
    proxy = _of("proxy", "ReverseProxyResource")
    trusted = options.forwarded_allow_ips if options.proxy_headers else ()
    try:
        return Application(proxy.fromURL(url, reactor, trusted))
    except ValueError as mistake:
        raise UserMistake(f"--proxy: {mistake}", 2) from mistake


MAKERS: dict[str, Callable[[Any, Any, argparse.Namespace], Application]] = {
    "path": _files,
    "wsgi": _wsgi,
    "asgi": _asgi,
    "resource": _resource,
    "proxy": _proxy,
}


def _takes(application: Any, count: int) -> bool:
    """Whether it can be called with so many arguments, as far as can be known.

    What a decorator gives may take others than what it is put on.
    """
    if not callable(application):
        return False
    try:
        inspect.signature(application, follow_wrapped=False).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # of what is written in C
        return True
    return True


def _is_asynchronous(application: Any) -> bool:
    return callable(application) and (
        inspect.iscoroutinefunction(application)
        or inspect.iscoroutinefunction(type(application).__call__)
    )
