"""Programs that the command line loads from files."""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactorlib.app.applications import make
from reactorlib.app.commands.run import load
from reactorlib.testing import MemoryReactorClock


class TestLoading:
    """A program's file is a module like others: classes of it can be found, also by name."""

    @pytest.fixture(autouse=True)
    def modules(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
        """Those that were loaded here are forgotten."""
        monkeypatch.setattr(sys, "path", list(sys.path))
        yield
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]

    def write(self, folder: Path, name: str, text: str) -> str:
        (folder / name).write_text(text)
        return str(folder / name)

    def test_it_is_found_by_its_name(self, tmp_path: Path) -> None:
        file = self.write(tmp_path, "shop_of_mine.py", "class Apple:\n    pass\nname = __name__\n")
        apple = load(f"{file}:Apple")
        assert pickle.loads(pickle.dumps(apple)) is apple
        assert load(f"{file}:name") == "shop_of_mine"
        assert sys.modules["shop_of_mine"].__file__ == file

    def test_one_that_is_called_as_another_module(self, tmp_path: Path) -> None:
        file = self.write(tmp_path, "site.py", "class Apple:\n    pass\n")
        before = sys.modules["site"]
        apple = load(f"{file}:Apple")
        assert pickle.loads(pickle.dumps(apple)) is apple
        assert sys.modules["site"] is before

    def test_it_is_loaded_anew(self, tmp_path: Path) -> None:
        file = self.write(tmp_path, "changing.py", "value = 1\n")
        assert load(f"{file}:value") == 1
        self.write(tmp_path, "changing.py", "value = 2\n")
        assert load(f"{file}:value") == 2
        assert sorted(path.name for path in tmp_path.iterdir()) == ["changing.py"]

    def test_one_that_raises_is_not_there(self, tmp_path: Path) -> None:
        file = self.write(tmp_path, "broken.py", "1 / 0\n")
        with pytest.raises(ZeroDivisionError):
            load(f"{file}:value")
        assert "broken" not in sys.modules

    def test_a_decorated_application(self, tmp_path: Path) -> None:
        """What it takes is not what the function takes that it is made of."""
        text = """
import functools

def application(function):
    @functools.wraps(function)
    def app(scope, receive, send):
        return function(scope)(scope, receive, send)
    return app

@application
def app(request):
    raise AssertionError("it is not called")
"""
        file = self.write(tmp_path, "decorated.py", text)
        options = argparse.Namespace(asgi=f"{file}:app", root_path="")
        assert make("asgi", MemoryReactorClock(), options).resource is not None
