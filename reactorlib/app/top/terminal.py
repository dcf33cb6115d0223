"""Where the lines go: a terminal, which is left as it was found, or a stream of text."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

# Another screen, without a cursor, whose lines are cut off and not continued.
BEGIN = "\x1b[?1049h\x1b[?25l\x1b[?7l"
END = "\x1b[?7h\x1b[?25h\x1b[?1049l"
HOME, TO_THE_LINES_END, TO_THE_SCREENS_END = "\x1b[H", "\x1b[K", "\x1b[J"


class Plain:
    """No terminal: one text after the other, with an empty line between."""

    def size(self) -> tuple[int, int] | None:
        """Columns and lines; None where there is no end to lines."""
        return None

    def show(self, lines: Sequence[str]) -> None:
        """Write them."""
        print("\n".join(lines), end="\n\n", flush=True)

    def wait(self, seconds: float) -> bool:
        """Let so much time pass; whether the user wants to end."""
        time.sleep(seconds)
        return False


class Terminal:
    """A terminal in whose place the lines stand."""

    def __init__(self, keys: int | None) -> None:
        self._keys = keys

    def size(self) -> tuple[int, int] | None:
        size = shutil.get_terminal_size()
        return size.columns, size.lines

    def show(self, lines: Sequence[str]) -> None:
        text = "\r\n".join(line + TO_THE_LINES_END for line in lines)
        sys.stdout.write(HOME + text + TO_THE_SCREENS_END)
        sys.stdout.flush()

    def wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._keys is None:
                time.sleep(left)
            elif select.select([self._keys], [], [], left)[0] and self._ends():
                return True
        return False

    def _ends(self) -> bool:
        assert self._keys is not None
        pressed = os.read(self._keys, 64)
        if not pressed:
            self._keys = None
        return b"q" in pressed.lower()


@contextmanager
def terminal() -> Iterator[Plain | Terminal]:
    """The place to show lines in."""
    if not sys.stdout.isatty():
        yield Plain()
        return
    keys = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = termios.tcgetattr(keys) if keys is not None else None
    handler = signal.signal(signal.SIGTERM, _end)
    try:
        if keys is not None:
            tty.setcbreak(keys)
        sys.stdout.write(BEGIN)
        yield Terminal(keys)
    finally:
        sys.stdout.write(END)
        sys.stdout.flush()
        if keys is not None and before is not None:
            termios.tcsetattr(keys, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, handler)


def _end(number: int, frame: Any) -> NoReturn:
    sys.exit(128 + number)
