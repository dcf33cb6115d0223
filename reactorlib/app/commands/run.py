"""Serve a factory, or call a function with the reactor, from a file or module."""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

from reactorlib.app.commands.listening import add_listening_flags, listen
from reactorlib.app.mistakes import UserMistake


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "program",
        metavar="FILE_OR_MODULE:ATTRIBUTE",
        help="server.py:factory or package.module:start; a factory is served on --port, "
        "a function is called with the reactor",
    )
    add_listening_flags(parser, 8000)


def start(reactor: Any, options: argparse.Namespace) -> None:
    target = load(options.program)
    if hasattr(target, "buildProtocol") and not inspect.isclass(target):
        listen(reactor, options, target)
    elif callable(target):
        if options.listen:
            raise UserMistake(f"--listen is for a factory; {options.program} is a function", 2)
        if options.workers is not None:
            raise UserMistake(f"--workers is for a factory; {options.program} is a function", 2)
        target(reactor)
    else:
        raise UserMistake(
            f"{options.program} is neither a factory (it has no buildProtocol) nor a function"
        )


def load(program: str) -> Any:
    """The object that FILE_OR_MODULE:ATTRIBUTE names. What the program itself raises goes on."""
    place, colon, attribute = program.rpartition(":")
    if not colon or not place or not attribute:
        raise UserMistake(f"write FILE_OR_MODULE:ATTRIBUTE, not {program!r}", 2)
    names = _from_file(place) if _is_path(place) else _from_module(place)
    try:
        return names[attribute]
    except KeyError:
        raise UserMistake(f"{place} has no attribute {attribute!r}") from None


def _is_path(place: str) -> bool:
    return place.endswith(".py") or os.sep in place


def _from_file(path: str) -> dict[str, Any]:
    """Load it anew, from its source, as the module that others find by its name."""
    if not os.path.isfile(path):
        raise UserMistake(f"there is no file {path}")
    path = os.path.abspath(path)
    sys.path.insert(0, os.path.dirname(path))
    name = _name_for(path)
    loader = SourceFileLoader(name, path)
    spec = spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        exec(loader.source_to_code(loader.get_data(path), path), vars(module))
    except BaseException:
        del sys.modules[name]
        raise
    return vars(module)


def _name_for(path: str) -> str:
    """As an import would call it; with its ending, if a module of that name is there already."""
    file = os.path.basename(path)
    name = file.removesuffix(".py")
    other = sys.modules.get(name)
    return name if other is None or getattr(other, "__file__", None) == path else file


def _from_module(name: str) -> dict[str, Any]:
    if name.startswith("."):
        raise UserMistake(f"there is no module {name}: give its whole name")
    sys.path.insert(0, os.getcwd())
    try:
        return vars(importlib.import_module(name))
    except ModuleNotFoundError as missing:
        if missing.name is not None and (name + ".").startswith(missing.name + "."):
            raise UserMistake(f"there is no module {name}: {missing}") from missing
        raise
