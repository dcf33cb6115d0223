"""Files and directories of a disk, and constant data, as resources.

Opening a file, asking for its status and reading one are blocking calls: made for local
disks. On a disk that may hang, such as one of a network, the whole reactor hangs with
it. What is small is read at once; what is large is sent by the kernel where it can be.

There is no way out of the root: see `beneath`. What is there but may not be read, or is
neither a file nor a directory, or is a link that is not followed, is forbidden (403).
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from io import BytesIO, FileIO
from typing import Any
from urllib.parse import unquote_to_bytes

from reactorlib.protocols.http import resource
from reactorlib.protocols.http.beneath import is_sound, open_beneath, opened
from reactorlib.protocols.http.contenttypes import as_field, extension, loadMimeTypes
from reactorlib.protocols.http.fields.etags import ETag
from reactorlib.protocols.http.listing import directory_page
from reactorlib.protocols.http.precompressed import (
    SUFFIXES,
    may_be_compressed,
    sibling,
    wanted_codings,
)
from reactorlib.protocols.http.representation import (
    Representation,
    answer,
    send_again,
    wants_all,
    whole_head,
)
from reactorlib.protocols.http.shelf import Kept, Shelf
from reactorlib.protocols.http.status import MOVED_PERMANENTLY

_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.ENODEV)
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR)
_YOUNG = 2  # seconds in which a file may change twice without a change of its time


class Data(resource.Resource):
    """Answers GET with `data` (bytes) of a media type."""

    streaming = True

    def __init__(self, data: bytes, type: str) -> None:
        super().__init__()
        self.data = data
        self.type = type
        self._etag = ETag(blake2b(data, digest_size=16).hexdigest().encode())

    def render_GET(self, request: Any) -> Any:
        file, size = BytesIO(self.data), len(self.data)
        return answer(request, Representation(file, size, as_field(self.type), self._etag))


class File(resource.Resource):
    """A file, or a directory with all that is below it.

    Attributes:
        contentTypes: extension, with its dot, to media type; that of others is defaultType.
        indexNames: the files that stand for their directory, the first that is there.
        ignoredExts: extensions that may be left away; "*" is any.
        listDirectories: whether a directory without one of those is shown as a list.
        followLinks: whether symbolic links are followed, out of the root too.
        childNotFound, forbidden: resources that answer where nothing is, or may be seen.

    A sibling with `.br`, `.zst` or `.gz` added to its name, no older than the file
    itself, is sent in its place to clients that accept that coding.
    """

    streaming = True
    contentTypes = loadMimeTypes()
    indexNames: Sequence[str] = ("index.html", "index.htm")
    childNotFound: Any = resource.NoResource("File not found.")
    forbidden: Any = resource.ForbiddenResource()
    _names: tuple[bytes, ...] = ()  # below the root
    _as_directory = False  # whether a slash ended the place

    def __init__(
        self,
        path: str | bytes | os.PathLike[Any],
        defaultType: str = "application/octet-stream",
        ignoredExts: Iterable[str] = (),
        allowExt: bool = False,
        listDirectories: bool = False,
        followLinks: bool = False,
    ) -> None:
        """`allowExt` is the same as "*" in `ignoredExts`."""
        super().__init__()
        self._root = os.path.abspath(os.fsencode(path))
        self._shelf = Shelf()
        self.defaultType = defaultType
        self.ignoredExts = ["*"] if allowExt else list(ignoredExts)
        self.listDirectories = listDirectories
        self.followLinks = followLinks

    @property
    def path(self) -> str:
        """Where it is."""
        return os.fsdecode(b"/".join((self._root, *self._names)))

    def ignoreExt(self, ext: str) -> None:
        """Have this extension, with its dot, be one that may be left away."""
        self.ignoredExts.append(ext)

    def getChild(self, path: bytes, request: Any) -> Any:
        """The file of that name below this one, and of all names that follow."""
        names = (path, *request.postpath)
        request.prepath += request.postpath
        request.postpath.clear()
        as_directory = names[-1] == b""
        if as_directory:
            names = names[:-1]
        if not all(map(is_sound, names)):
            return self.childNotFound
        child = object.__new__(type(self))
        child.__dict__.update(self.__dict__)
        child._names = (*self._names, *names)
        child._as_directory = as_directory
        return child

    def render_GET(self, request: Any) -> Any:
        try:
            return self._render_kept(request) or self._render(request)
        except OSError as problem:
            if problem.errno in _ABSENT:
                return self.childNotFound.render(request)
            if problem.errno in _FORBIDDEN:
                return self.forbidden.render(request)
            raise

    def _render_kept(self, request: Any) -> Any:
        """The same answer as a moment ago, if there is one; None if not."""
        key = self._key(request)
        if key is None:
            return None
        turn = getattr(request.chanRequest.reactor, "turns", None)
        kept = self._shelf.find(key, turn)
        if kept is None:
            return None
        if kept.body is not None:
            request.out_headers.update(kept.headers)
            return kept.body
        descriptor, status = opened(partial(self._open, kept.names), kept.suffix)
        if not kept.is_of(status):
            os.close(descriptor)
            return None
        return send_again(request, kept.headers, FileIO(descriptor), status.st_size)

    def _key(self, request: Any) -> Hashable:
        """Requests with the same one have the same answer, while no file changes; None has none."""
        codings: tuple[bytes, ...] = ()
        if request.method != b"GET" or request.mentions(b"if-", b"range", b"accept-encoding"):
            if not wants_all(request):
                return None
            codings = wanted_codings(request)
        slash = request.path.endswith(b"/")
        return self._names, self._as_directory, slash, self.followLinks, codings

    def _render(self, request: Any) -> Any:
        for ignored in self._extensions() if self.ignoredExts else (b"",):
            try:
                descriptor, status = opened(partial(self._open, self._names), ignored)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(status.st_mode):
                return self._render_directory(request, descriptor)
            if self._as_directory:
                os.close(descriptor)
                break
            return self._answer(request, self._names, ignored, descriptor, status)
        return self.childNotFound.render(request)

    def _open(self, names: tuple[bytes, ...], suffix: bytes) -> int:
        """What stands below the root, with something added to its name."""
        if not names:
            return open_beneath(self._root + suffix, (), self.followLinks)
        if suffix:
            names = (*names[:-1], names[-1] + suffix)
        return open_beneath(self._root, names, self.followLinks)

    def _extensions(self) -> Iterator[bytes]:
        """What may have been left away from the name, nothing first."""
        yield b""
        for ignored in self.ignoredExts:
            if ignored != "*":
                yield os.fsencode(ignored)
            elif self._names:
                yield from self._extensions_there()

    def _extensions_there(self) -> list[bytes]:
        above = open_beneath(self._root, self._names[:-1], self.followLinks)
        try:
            there = map(os.fsencode, os.listdir(above))
            stem = self._names[-1] + b"."
            return sorted(name[len(stem) - 1 :] for name in there if name.startswith(stem))
        finally:
            os.close(above)

    def _answer(
        self,
        request: Any,
        names: tuple[bytes, ...],
        suffix: bytes,
        descriptor: int,
        status: os.stat_result,
    ) -> Any:
        """Send the file of those names, with a suffix to the last, or a sibling of it."""
        name = (names or (self._root,))[-1] + suffix
        media_type = self.contentTypes.get(extension(name), self.defaultType)
        varies = may_be_compressed(media_type)
        coding = b""
        if varies and (wanted := wanted_codings(request)):
            other = sibling(wanted, lambda more: self._open(names, suffix + more), status)
            if other is not None:
                os.close(descriptor)
                coding, descriptor, status = other
        now = time.time()
        shown = Representation(
            FileIO(descriptor),
            status.st_size,
            as_field(media_type),
            etag_of(status, now),
            min(int(status.st_mtime), int(now)),
            coding,
            varies,
        )
        result = answer(request, shown)
        key = self._key(request)
        if key is not None:
            suffix += SUFFIXES.get(coding, b"")
            path = b"/".join((self._root, *names)) + suffix
            body = result if isinstance(result, bytes) else None
            head = whole_head(shown)
            self._shelf.keep(key, Kept(path, names, suffix, status, head, body))
        return result

    def _render_directory(self, request: Any, directory: int) -> Any:
        try:
            if not request.path.endswith(b"/"):
                return add_slash(request)
            for index in map(os.fsencode, self.indexNames):
                try:
                    return self._render_index(request, index)
                except FileNotFoundError:
                    continue
            if self.listDirectories:
                return self.directoryListing(directory, request)
            return self.forbidden.render(request)
        finally:
            os.close(directory)

    def _render_index(self, request: Any, index: bytes) -> Any:
        names = (*self._names, index)
        descriptor, status = opened(partial(self._open, names))
        if stat.S_ISDIR(status.st_mode):
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, "it is a directory")
        return self._answer(request, names, b"", descriptor, status)

    def directoryListing(self, directory: int, request: Any) -> bytes:
        """The page that shows an open directory."""
        title = unquote_to_bytes(request.path).decode("utf-8", "replace")
        request.setResponseHeader(b"Content-Type", b"text/html; charset=utf-8")
        return directory_page(directory, title, self.followLinks)


def etag_of(status: os.stat_result, now: float) -> ETag:
    """The version of a file; weak while it may yet change without a change of its time."""
    tag = b"%x-%x-%x" % (status.st_mtime_ns, status.st_size, status.st_ino)
    return ETag(tag, now - status.st_mtime < _YOUNG)


def add_slash(request: Any) -> bytes:
    """Redirect to the place with a slash behind it; relative, so that it leads nowhere else."""
    path, question, query = request.uri.partition(b"?")
    place = b"./" + path.rpartition(b"/")[2] + b"/" + question + query
    return resource.redirectTo(place, request, MOVED_PERMANENTLY)
