"""What a refusal of the engine's leaves of a watch."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.watch import Watches


class Engine:
    """Takes descriptors in, and watches for reading only."""

    def __init__(self) -> None:
        self.watched: dict[int, bool] = {}

    def add(self, descriptor: int, kind: int) -> int:
        self.watched[descriptor] = False
        return descriptor

    def watch(self, handle: int, readable: bool, writable: bool) -> None:
        if writable:
            raise OSError("refused")
        self.watched[handle] = readable

    def detach(self, handle: int) -> None:
        del self.watched[handle]


class Target:
    def fileno(self) -> int:
        return 7


def test_a_refused_addition_is_forgotten() -> None:
    engine, sinks = Engine(), dict[int, Any]()
    watches = Watches(engine, sinks)
    with pytest.raises(OSError, match="refused"):
        watches.set(Target(), writing=True)
    assert watches.targets("writing") == []
    assert not sinks
    assert not engine.watched


def test_a_refused_change_leaves_what_was_there() -> None:
    engine, sinks = Engine(), dict[int, Any]()
    watches = Watches(engine, sinks)
    target = Target()
    watches.set(target, reading=True)
    with pytest.raises(OSError, match="refused"):
        watches.set(target, writing=True)
    assert watches.targets("reading") == [target]
    assert watches.targets("writing") == []
    assert engine.watched == {7: True}
    assert list(sinks) == [7]
