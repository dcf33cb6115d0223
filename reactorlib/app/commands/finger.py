"""Answer who somebody is, from a folder of text files (RFC 1288)."""

from __future__ import annotations

import argparse
import os
from typing import Any

from reactorlib.app.commands.listening import add_listening_flags, listen
from reactorlib.app.mistakes import UserMistake
from reactorlib.protocols.finger import FolderFingerFactory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", metavar="FOLDER", help="has a file for each user, with what is told of him"
    )
    add_listening_flags(parser, 8079)


def start(reactor: Any, options: argparse.Namespace) -> None:
    if not os.path.isdir(options.folder):
        raise UserMistake(f"there is no folder {options.folder}")
    listen(reactor, options, FolderFingerFactory(options.folder))
