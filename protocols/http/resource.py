"""Resources: what stands at the places of a site.

A resource answers the requests for one place, or hands on those for places below
it. It is looked up before anything of the request's body has come.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from zope.interface import Attribute, Interface, implementer

from reactorlib.protocols.http.status import FORBIDDEN, NOT_FOUND, RESPONSES


class UnsupportedMethod(Exception):
    """A resource knows no such method; `allowedMethods` are those it does."""

    def __init__(self, allowedMethods: Iterable[bytes]) -> None:
        super().__init__(b", ".join(allowedMethods).decode("ascii", "replace"))
        self.allowedMethods = tuple(allowedMethods)


class _Renders(dict[bytes, str]):
    """The name of what renders for a method; those of a few methods are kept."""

    def __missing__(self, method: bytes) -> str:
        name = "render_" + method.decode("ascii", "replace")
        if len(self) < 64:
            self[method] = name
        return name


_RENDERS = _Renders()


class IResource(Interface):
    """What stands at a place."""

    isLeaf = Attribute("Whether it answers for all places below it: nothing is looked up there.")
    streaming = Attribute(
        "Whether render is called at once, with request.body() still to come (or never asked "
        "for), and not after the body has been put into request.content."
    )

    def getChildWithDefault(name: bytes, request: Any) -> Any:
        """The resource at the place of that name below this one."""

    def putChild(path: bytes, child: Any) -> None:
        """Put a resource at a place below this one."""

    def render(request: Any) -> Any:
        """Answer: bytes are the whole body.

        A Deferred or a coroutine gives one of these later. An async iterator of bytes is
        sent piece by piece, at the client's pace. NOT_DONE_YET: the request is finished
        elsewhere. Raises UnsupportedMethod.
        """


@implementer(IResource)
class Resource:
    """A place with methods: override render_GET and so on, and getChild.

    OPTIONS and HEAD are answered by what the other methods are; HEAD is a GET whose body
    stays here.
    """

    isLeaf = False
    streaming = False

    def __init__(self) -> None:
        self.children: dict[bytes, Any] = {}

    def getChild(self, path: bytes, request: Any) -> Any:
        """A resource for a name that putChild was not given; by default there is none."""
        return NoResource()

    def getChildWithDefault(self, path: bytes, request: Any) -> Any:
        child = self.children.get(path)
        return self.getChild(path, request) if child is None else child

    def putChild(self, path: bytes, child: Any) -> None:
        if not isinstance(path, bytes):
            raise TypeError(f"the name of a place is bytes, not {path!r}")
        self.children[path] = child

    def delEntity(self, name: bytes) -> None:
        """Take away what putChild has put there, if anything."""
        self.children.pop(name, None)

    def getStaticEntity(self, path: bytes) -> Any:
        """What putChild has put there, or None."""
        return self.children.get(path)

    def listNames(self) -> list[bytes]:
        """The names that putChild was given."""
        return list(self.children)

    def render(self, request: Any) -> Any:
        method = getattr(self, _RENDERS[request.method], None)
        if method is None:
            raise UnsupportedMethod(self.allowedMethods())
        return method(request)

    def render_HEAD(self, request: Any) -> Any:
        """As GET; the body is not sent."""
        method = getattr(self, "render_GET", None)
        if method is None:
            raise UnsupportedMethod(self.allowedMethods())
        return method(request)

    def render_OPTIONS(self, request: Any) -> bytes:
        """204, with Allow."""
        request.setResponseCode(204)
        request.setResponseHeader(b"Allow", b", ".join(self.allowedMethods()))
        return b""

    def allowedMethods(self) -> list[bytes]:
        """The methods it has a render_METHOD for."""
        names = [name[7:] for name in dir(self) if name.startswith("render_")]
        if "GET" not in names:
            names.remove("HEAD")
        return [name.encode() for name in sorted(names)]


def getChildForRequest(resource: Any, request: Any) -> Any:
    """What answers a request, from this resource on downwards."""
    while request.postpath and not resource.isLeaf:
        name = request.postpath.pop(0)
        request.prepath.append(name)
        resource = resource.getChildWithDefault(name, request)
    return resource


class ErrorPage(Resource):
    """Answers every request with a status and a small page; what it says is escaped."""

    isLeaf = True
    streaming = True  # whatever is sent with the request, nobody reads it

    def __init__(self, status: int, brief: str | None = None, detail: str = "") -> None:
        super().__init__()
        self.code = status
        self.brief = RESPONSES.get(status, b"").decode() if brief is None else brief
        self.detail = detail

    def render(self, request: Any) -> bytes:
        request.setResponseCode(self.code)
        request.setResponseHeader(b"Content-Type", b"text/html; charset=utf-8")
        brief, detail = escape(self.brief), escape(self.detail)
        return (
            f"<!DOCTYPE html>\n<html lang=en><title>{self.code} {brief}</title>\n"
            f"<h1>{brief}</h1>\n<p>{detail}</p>\n</html>\n"
        ).encode()

    def getChild(self, path: bytes, request: Any) -> Any:
        return self


class NoResource(ErrorPage):
    """404."""

    def __init__(self, message: str = "Sorry, there is nothing here.") -> None:
        super().__init__(NOT_FOUND, None, message)


class ForbiddenResource(ErrorPage):
    """403."""

    def __init__(self, message: str = "This is not for you.") -> None:
        super().__init__(FORBIDDEN, None, message)


# The names that Twisted keeps for these. There it is `pages` that escapes; here all do.
_UnsafeErrorPage, _UnsafeNoResource, _UnsafeForbiddenResource = (
    ErrorPage,
    NoResource,
    ForbiddenResource,
)


class Redirect(Resource):
    """Sends every request elsewhere; places below it too."""

    isLeaf = True
    streaming = True

    def __init__(self, url: bytes, code: int = 302) -> None:
        super().__init__()
        self.url = url
        self.code = code

    def render(self, request: Any) -> bytes:
        return redirectTo(self.url, request, self.code)


def redirectTo(url: bytes, request: Any, code: int = 302) -> bytes:
    """Make the answer a redirection; returns the page to go with it."""
    request.setResponseCode(code)
    request.setResponseHeader(b"Location", url)
    request.setResponseHeader(b"Content-Type", b"text/html; charset=utf-8")
    target = escape(url.decode("ascii", "replace"))
    return (
        f'<!DOCTYPE html>\n<html lang=en><title>It is elsewhere</title>\n<p><a href="{target}">'
        "click here</a>\n</html>\n"
    ).encode()
