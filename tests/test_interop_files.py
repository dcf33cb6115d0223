"""curl and wget take files from `reactorlib web`: parts, conditions, the rest of a download."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.test_cli_listen import place_of, serving
from tests.test_interop_http import told

DATA = bytes(range(256)) * 4_000
TEXT = b"some text, and " * 1000
LATER, MODIFIED, EARLIER = 1_700_000_100, 1_700_000_000, 1_699_999_900


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a directory that is served."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "data.bin").write_bytes(DATA)
    (folder / "text.txt").write_bytes(TEXT)
    (folder / "text.txt.gz").write_bytes(gzip.compress(TEXT))
    for file in folder.iterdir():
        os.utime(file, (MODIFIED, MODIFIED))
    flags = ["--listen", "tcp:0:interface=127.0.0.1", "--no-access-log"]
    with serving("web", str(folder), *flags) as process:
        yield "http://{}:{}".format(*place_of(process))


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """The first bytes of a download."""
    part = tmp_path / "data.bin"
    part.write_bytes(DATA[:100_000])
    return part


class TestCurl:
    def curl(self, *arguments: str | Path) -> tuple[int, bytes, str]:
        """The status, what came, and all that was said about it."""
        output, log = told("curl", "-sS", "-v", *arguments)
        statuses = re.findall(r"^< HTTP/1\.1 (\d+) ", log, re.MULTILINE)
        return int(statuses[-1]), output, log

    @pytest.mark.parametrize(
        ("asked", "start", "stop"),
        [
            ("0-0", 0, 1),
            ("1000-1999", 1000, 2000),
            ("1000000-", 1_000_000, len(DATA)),
            ("-500", len(DATA) - 500, len(DATA)),
            ("1000-99999999", 1000, len(DATA)),
        ],
    )
    def test_a_range(self, url: str, asked: str, start: int, stop: int) -> None:
        status, output, log = self.curl("-r", asked, f"{url}/data.bin")
        assert (status, output) == (206, DATA[start:stop])
        assert f"< Content-Range: bytes {start}-{stop - 1}/{len(DATA)}" in log

    def test_several_ranges(self, url: str) -> None:
        status, output, log = self.curl("-r", "0-9,500-509,-10", f"{url}/data.bin")
        assert status == 206
        boundary = re.search(r"< Content-Type: multipart/byteranges; boundary=(\S+)", log)
        assert boundary is not None
        parts = output.split(b"--" + boundary[1].encode())
        assert [each.partition(b"\r\n\r\n")[2] for each in parts[1:-1]] == [
            DATA[0:10] + b"\r\n",
            DATA[500:510] + b"\r\n",
            DATA[-10:] + b"\r\n",
        ]
        assert parts[-1] == b"--\r\n"

    def test_a_range_that_is_not_there(self, url: str) -> None:
        status, _, log = self.curl("-r", "99999999-", f"{url}/data.bin")
        assert status == 416
        assert f"< Content-Range: bytes */{len(DATA)}" in log

    def test_what_it_has_already_by_its_tag(self, url: str, tmp_path: Path) -> None:
        tag = tmp_path / "tag"
        status, output, _ = self.curl("--etag-save", tag, f"{url}/data.bin")
        assert (status, output) == (200, DATA)
        status, output, _ = self.curl("--etag-compare", tag, f"{url}/data.bin")
        assert (status, output) == (304, b"")
        tag.write_text('"another"')
        assert self.curl("--etag-compare", tag, f"{url}/data.bin")[0] == 200

    def test_what_it_has_already_by_its_time(self, url: str, part: Path) -> None:
        for time, status in ((MODIFIED, 304), (LATER, 304), (EARLIER, 200)):
            os.utime(part, (time, time))
            assert self.curl("-z", part, f"{url}/data.bin")[0] == status
        # Only if it is older: If-Unmodified-Since.
        for time, status in ((EARLIER, 412), (MODIFIED, 200)):
            before = f"-{formatdate(time, usegmt=True)}"
            assert self.curl("-z", before, f"{url}/data.bin")[0] == status

    def test_a_range_if_it_has_not_changed(self, url: str, tmp_path: Path) -> None:
        tag = tmp_path / "tag"
        self.curl("--etag-save", tag, f"{url}/data.bin")
        last = "If-Range: " + formatdate(MODIFIED, usegmt=True)
        for condition in (f"If-Range: {tag.read_text().strip()}", last):
            status, output, _ = self.curl("-r", "-3", "-H", condition, f"{url}/data.bin")
            assert (status, output) == (206, DATA[-3:])
        for condition in ('If-Range: "other"', "If-Range: " + formatdate(LATER, usegmt=True)):
            status, output, _ = self.curl("-r", "-3", "-H", condition, f"{url}/data.bin")
            assert (status, output) == (200, DATA)

    def test_the_rest_of_a_download(self, url: str, part: Path) -> None:
        status, _, log = self.curl("-C", "-", "-o", part, f"{url}/data.bin")
        assert status == 206
        assert "> Range: bytes=100000-" in log
        assert part.read_bytes() == DATA
        # All is there: it takes 416 for the end.
        assert self.curl("-C", "-", "-o", part, f"{url}/data.bin")[0] == 416
        assert part.read_bytes() == DATA

    def test_compressed(self, url: str) -> None:
        status, output, log = self.curl("--compressed", f"{url}/text.txt")
        assert (status, output) == (200, TEXT)
        assert "< Content-Encoding: gzip" in log
        assert "< Vary: Accept-Encoding" in log
        status, output, log = self.curl(f"{url}/text.txt")
        assert (status, output) == (200, TEXT)
        assert "< Content-Encoding" not in log

    def test_the_size_alone(self, url: str) -> None:
        status, _, log = self.curl("--head", f"{url}/data.bin")
        assert status == 200
        assert f"< Content-Length: {len(DATA)}" in log
        assert "< Accept-Ranges: bytes" in log


class TestWget:
    def wget(self, folder: Path, *arguments: str) -> str:
        return told("wget", "--no-config", "--tries=1", "-S", "-P", folder, *arguments)[1]

    def test_the_rest_of_a_download(self, url: str, part: Path) -> None:
        log = self.wget(part.parent, "-c", f"{url}/data.bin")
        assert "HTTP/1.1 206 " in log
        assert part.read_bytes() == DATA

    def test_only_what_is_newer(self, url: str, tmp_path: Path) -> None:
        assert "HTTP/1.1 200 " in self.wget(tmp_path, "-N", f"{url}/data.bin")
        assert (tmp_path / "data.bin").stat().st_mtime == MODIFIED
        assert "HTTP/1.1 304 " in self.wget(tmp_path, "-N", f"{url}/data.bin")

    def test_a_directory_and_all_below_it(self, url: str, tmp_path: Path) -> None:
        self.wget(tmp_path, "-r", "-nH", f"{url}/")
        assert (tmp_path / "data.bin").read_bytes() == DATA
        assert (tmp_path / "text.txt").read_bytes() == TEXT
