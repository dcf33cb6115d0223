"""What a child starts with: descriptors, words, directory, user; or why it does not start."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from reactorlib.error import SelectLimitError
from reactorlib.testing.contract.base import Pairs
from reactorlib.testing.contract.engine_base import numbers_used_up, only_descriptors
from reactorlib.testing.contract.process_base import Child, ProcessParts

Spawn = Callable[..., Child]

NOBODY = 65534

# Every byte that a program can be told.
ODD = bytes(range(1, 256))

DESCRIPTORS = """
import os
for name in os.listdir("/dev/fd"):
    try:
        os.fstat(int(name))
    except OSError:  # it was the listing itself
        continue
    os.write({0}, name.encode() + b" ")
"""


def numbers(output: bytes) -> list[int]:
    """The numbers that a child wrote, sorted."""
    return sorted(map(int, output.split()))


class StartContract(ProcessParts):
    """spawnProcess does as it is told, or raises and leaves nothing."""

    # Descriptors

    @pytest.mark.parametrize("terminal", [False, True])
    def test_it_has_no_descriptor_of_its_parent(
        self, reactor: Any, spawn: Spawn, pairs: Pairs, terminal: bool
    ) -> None:
        for each in (*pairs(), *pairs()):
            each.set_inheritable(True)
        child = spawn(sys.executable, "-c", DESCRIPTORS.format(1), usePTY=terminal)
        self.until_ended(reactor, child)
        assert numbers(child.output) == [0, 1, 2]

    def test_it_has_those_it_was_given(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn(
            sys.executable, "-c", DESCRIPTORS.format(9), childFDs={9: "r", 4: "w", 2: "r"}
        )
        self.until_ended(reactor, child)
        assert numbers(child.written[9]) == [2, 4, 9]
        assert child.errors == b""

    def test_descriptors_change_places(self, reactor: Any, spawn: Spawn, tmp_path: Path) -> None:
        """The number that a descriptor gets in the child may be that of another in the parent."""
        (tmp_path / "first").write_bytes(b"first\n")
        (tmp_path / "second").write_bytes(b"second\n")
        first = os.open(tmp_path / "first", os.O_RDONLY)
        second = os.open(tmp_path / "second", os.O_RDONLY)
        third = os.dup(first)
        script = f"cat /dev/fd/{first} /dev/fd/{second} /dev/fd/{third}"
        child = spawn(
            "sh", "-c", script, childFDs={first: second, second: first, 1: "r", third: third}
        )
        inheritable = [os.get_inheritable(each) for each in (first, second, third)]
        for each in (first, second, third):
            os.close(each)
        self.until_ended(reactor, child)
        assert child.output == b"second\nfirst\nfirst\n"
        assert not any(inheritable)

    def test_one_descriptor_under_many_numbers(self, reactor: Any, spawn: Spawn) -> None:
        reading, writing = os.pipe()
        child = spawn(
            "sh", "-c", "echo a; echo b >&2; echo c >&5", childFDs=dict.fromkeys([1, 2, 5], writing)
        )
        os.close(writing)
        self.until_ended(reactor, child)
        assert os.read(reading, 100) == b"a\nb\nc\n"
        assert os.read(reading, 100) == b""
        os.close(reading)

    @pytest.mark.parametrize("wanted", [{-1: "r"}, {10**9: "r"}, {0: "x"}, {1: "r", 0: None}])
    def test_a_mapping_without_a_meaning(self, spawn: Spawn, wanted: Any) -> None:
        with pytest.raises(ValueError, match="descriptor"):
            spawn("true", childFDs=wanted)

    def test_a_descriptor_that_is_not_open(self, spawn: Spawn) -> None:
        closed = os.dup(0)
        os.close(closed)
        for wrong in (closed, -1):
            with pytest.raises(OSError, match="Bad file descriptor"):
                spawn("true", childFDs={1: "r", 0: wrong})

    # Words

    def test_every_byte_arrives(self, reactor: Any, spawn: Spawn, tmp_path: Path) -> None:
        folder = os.fsencode(tmp_path) + b"/" + ODD.replace(b"/", b"")[:200]
        os.mkdir(folder)
        script = 'printf %s "$1"; printf %s "$ODD" >&2; printf %s "$PWD" >&3'
        child = spawn(
            "sh",
            "-c",
            script,
            b"sh",
            ODD,
            env={b"ODD": ODD},
            path=folder,
            childFDs={1: "r", 2: "r", 3: "r"},
        )
        self.until_ended(reactor, child)
        assert child.output == child.errors == ODD
        assert child.written[3] == folder

    def test_text_is_encoded_as_file_names_are(
        self, reactor: Any, spawn: Spawn, tmp_path: Path
    ) -> None:
        text = "na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve \udcff"
        script = 'printf %s "$1$WORD"'
        child = spawn(Path("/bin/sh"), "-c", script, "sh", text, env={"WORD": text}, path=tmp_path)
        self.until_ended(reactor, child)
        assert child.output == os.fsencode(text) * 2

    def test_it_is_told_its_name(self, reactor: Any, spawn: Spawn) -> None:
        children = [
            spawn("/bin/sh", args=["called so", "-c", "echo $0"]),
            spawn("/usr/bin/env", args=[], env={"A": "1"}),
        ]
        self.until_ended(reactor, *children)
        assert [child.output for child in children] == [b"called so\n", b"A=1\n"]

    def test_whose_variables_it_has(
        self, reactor: Any, spawn: Spawn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OURS", "yes")
        ours, none, one = (spawn("env", env=env) for env in (None, {}, {"ONE": "1"}))
        by_default = Child()
        process = reactor.spawnProcess(by_default, "env")
        self.until_ended(reactor, ours, none, one, by_default)
        assert b"OURS=yes\n" in ours.output
        assert [none.output, one.output, by_default.output] == [b"", b"ONE=1\n", b""]
        assert process.status == 0

    @pytest.mark.parametrize(
        ("options", "kind"),
        [
            ({"args": ["sh", "a\0b"]}, ValueError),
            ({"args": ["sh", b"a\0b"]}, ValueError),
            ({"args": ["sh", 5]}, TypeError),
            ({"args": ["sh", None]}, TypeError),
            ({"env": {"A": "\0"}}, ValueError),
            ({"env": {"\0": "A"}}, ValueError),
            ({"env": {"A=B": "C"}}, ValueError),
            ({"env": {"": "C"}}, ValueError),
            ({"env": {"A": 1}}, TypeError),
            ({"path": "\0"}, ValueError),
            ({"path": 5}, TypeError),
        ],
    )
    def test_what_no_program_can_be_given(self, spawn: Spawn, options: Any, kind: type) -> None:
        with pytest.raises(kind):
            spawn("sh", **options)

    @pytest.mark.parametrize("name", ["", b"", "a\0b"])
    def test_what_is_no_name(self, spawn: Spawn, name: Any) -> None:
        with pytest.raises(ValueError, match=r"name|NUL"):
            spawn(name)

    # Where it is found

    def test_the_path_is_that_of_its_own_environment(
        self, reactor: Any, spawn: Spawn, tmp_path: Path
    ) -> None:
        folders = [tmp_path / name for name in ("missing", "refused", "right", "wrong")]
        for folder in folders[1:]:
            folder.mkdir()
            (folder / "program").write_text(f"#!/bin/sh\necho {folder.name}\n")
            (folder / "program").chmod(0o644 if folder.name == "refused" else 0o755)
        child = spawn("program", env={"PATH": ":".join(map(str, folders))})
        self.until_ended(reactor, child)
        assert child.output == b"right\n"
        with pytest.raises(PermissionError, match="'program'"):
            spawn("program", env={"PATH": f"{folders[0]}:{folders[1]}:{folders[0]}"})
        with pytest.raises(FileNotFoundError, match="'program'"):
            spawn("program", env={"PATH": str(folders[0])})

    def test_what_cannot_be_executed(self, spawn: Spawn, tmp_path: Path) -> None:
        plain = tmp_path / "plain"
        plain.write_text("echo no")
        scripts = tmp_path / "script"
        scripts.write_text("#!/no/such/interpreter\n")
        scripts.chmod(0o755)
        nonsense = tmp_path / "nonsense"
        nonsense.write_bytes(b"\0nonsense")
        nonsense.chmod(0o755)
        for name, kind in [
            (tmp_path / "missing", FileNotFoundError),
            (plain, PermissionError),
            (plain / "below", NotADirectoryError),
            (tmp_path, PermissionError),
            (scripts, FileNotFoundError),
            (nonsense, OSError),
        ]:
            with pytest.raises(kind, match=repr(str(name))):
                spawn(name)

    @pytest.mark.parametrize("options", [{}, {"usePTY": True}, {"childFDs": {}}, {"uid": NOBODY}])
    def test_what_does_not_exist_leaves_neither_child_nor_descriptor(
        self, spawn: Spawn, options: Any
    ) -> None:
        """Descriptors are looked for by the fixtures. For another user it is fork(2)'s turn."""
        expected = PermissionError if "uid" in options and os.geteuid() else FileNotFoundError
        before = psutil.Process().children()
        for _ in range(20):
            with pytest.raises(expected, match="'/no/such/program'"):
                spawn("/no/such/program", **options)
        assert psutil.Process().children() == before

    def test_a_directory_that_does_not_exist(self, spawn: Spawn, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"no program can start there.*missing'"):
            spawn("true", path=tmp_path / "missing")
        with pytest.raises(NotADirectoryError):
            spawn("true", path="/dev/null")

    # Whose it is

    @pytest.mark.parametrize(("uid", "gid"), [(NOBODY, NOBODY), (NOBODY, None), (None, NOBODY)])
    def test_another_user(
        self, reactor: Any, spawn: Spawn, uid: int | None, gid: int | None
    ) -> None:
        if os.geteuid() != 0:
            with pytest.raises(PermissionError, match=r"user or group.*'sh'"):
                spawn("sh", uid=uid, gid=gid)
            return
        script = "id -u; id -ru; id -g; id -rg; id -G; grep -i ^CapEff /proc/self/status"
        before = os.getgroups()
        os.setgroups([*before, 12345])
        try:
            child = spawn("sh", "-c", script, uid=uid, gid=gid, path="/")
        finally:
            os.setgroups(before)
        self.until_ended(reactor, child)
        user, group = 0 if uid is None else uid, 0 if gid is None else gid
        lines = child.output.split(b"\n")
        assert list(map(int, lines[:4])) == [user, user, group, group]
        expected = os.getgrouplist(pwd.getpwuid(user).pw_name, group)
        assert set(map(int, lines[4].split())) == set(expected)
        assert (int(lines[5].split()[1], 16) == 0) == (user != 0)

    def test_a_user_without_a_name(self, reactor: Any, spawn: Spawn) -> None:
        if os.geteuid() != 0:
            with pytest.raises(PermissionError):
                spawn("sh", uid=54321)
            return
        child = spawn("sh", "-c", "id -u; id -G", uid=54321, gid=54322)
        self.until_ended(reactor, child)
        assert child.output == b"54321\n54322\n"

    # What may run out

    @pytest.mark.parametrize("terminal", [False, True])
    def test_descriptors_run_out(self, reactor: Any, spawn: Spawn, terminal: bool) -> None:
        """Each number of them lets it get one step further."""
        started = []
        for spare in range(12):
            with only_descriptors(spare):
                try:
                    started.append(spawn("true", usePTY=terminal))
                except OSError as problem:
                    assert "Too many open files" in str(problem)  # noqa: PT017
                    assert not started
        assert len(started) >= 3
        self.until_ended(reactor, *started)
        assert {child.result for child in started} == {(0, None)}

    def test_descriptors_that_the_backend_cannot_hold(self, reactor: Any, spawn: Spawn) -> None:
        limited = self.descriptor_limit is not None
        with numbers_used_up(self.descriptor_limit or 1024) as taken:
            if limited:
                with pytest.raises(SelectLimitError):
                    spawn("true")
            # The pidfd finds no place that is low enough: a thread waits.
            child = spawn("sh", "-c", "exit 3", childFDs={0: taken[-1]})
        self.until_ended(reactor, child)
        assert child.result == (3, None)
