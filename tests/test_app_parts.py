"""Parts of the command line by themselves: files of variables, the log's thread."""

from __future__ import annotations

import io
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from reactorlib.app.background import BackgroundHandler
from reactorlib.app.environment import load, parse
from reactorlib.app.mistakes import UserMistake


class Pipe(io.StringIO):
    """A stream whose reader may be slow, or gone."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.open = threading.Event()
        self.broken = False

    def write(self, text: str) -> int:
        self.asked.set()
        assert self.open.wait(20)
        if self.broken:
            raise BrokenPipeError
        return super().write(text)


def record(text: Any) -> logging.LogRecord:
    return logging.LogRecord("a", logging.INFO, "", 0, "%s", (text,), None)


class TestBackground:
    def test_lines_leave_in_order(self) -> None:
        stream = io.StringIO()
        handler = BackgroundHandler(stream)
        for number in range(100):
            handler.emit(record(number))
        handler.close()
        assert stream.getvalue().split() == [str(number) for number in range(100)]

    def test_nobody_waits_and_what_is_too_much_is_counted(self) -> None:
        stream = Pipe()
        handler = BackgroundHandler(stream, 3)
        handler.emit(record("first"))
        assert stream.asked.wait(20)
        for number in range(10):
            handler.emit(record(number))
        stream.open.set()
        handler.close()
        told = "# 7 lines were dropped: they came faster than they were read"
        assert stream.getvalue().splitlines() == ["first", "0", "1", "2", told]

    def test_nobody_reads_any_more(self) -> None:
        stream = Pipe()
        stream.broken = True
        handler = BackgroundHandler(stream)
        handler.emit(record("lost"))
        stream.open.set()
        handler._thread.join(20)
        handler.emit(record("lost too"))
        handler.close()
        assert stream.getvalue() == ""

    def test_a_line_that_cannot_be_made(self, capsys: pytest.CaptureFixture[str]) -> None:
        class Bad:
            def __str__(self) -> str:
                raise ZeroDivisionError

        stream = io.StringIO()
        handler = BackgroundHandler(stream)
        handler.emit(record(Bad()))
        handler.emit(record("good"))
        handler.close()
        assert stream.getvalue() == "good\n"
        assert "ZeroDivisionError" in capsys.readouterr().err


class TestEnvironment:
    @pytest.mark.parametrize(
        ("line", "value"),
        [
            ("A=b", "b"),
            ("  A = b  ", "b"),
            ("export A=b", "b"),
            ("A=", ""),
            ("A=a b # remark", "a b"),
            ("A='$x # \\n'", "$x # \\n"),
            ('A="x\\n\\"y\\" \\$z" # remark', 'x\n"y" $z'),
            ("A=tcp:80:interface=x", "tcp:80:interface=x"),
        ],
    )
    def test_a_line(self, line: str, value: str) -> None:
        assert parse("f", ["", "# remark", line]) == {"A": value}

    @pytest.mark.parametrize("line", ["A", "1A=b", "A='b", 'A="b', "A B=c", "=c", "A=b\0"])
    def test_a_wrong_one(self, line: str) -> None:
        with pytest.raises(UserMistake, match="f, line 2: write NAME=VALUE") as caught:
            parse("f", ["X=secret", line])
        assert "secret" not in str(caught.value)

    def test_what_is_set_is_stronger(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REACTORLIB_T_1", "set")
        monkeypatch.delenv("REACTORLIB_T_2", raising=False)
        (tmp_path / "env").write_text("REACTORLIB_T_1=file\nREACTORLIB_T_2=file\n")
        load(str(tmp_path / "env"))
        assert os.environ["REACTORLIB_T_1"] == "set"
        assert os.environ.pop("REACTORLIB_T_2") == "file"

    def test_what_is_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "env").write_bytes(b"A=\xff")
        with pytest.raises(UserMistake, match="not in UTF-8"):
            load(str(tmp_path / "env"))
