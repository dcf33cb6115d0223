"""Many sites at one address: by the name that was asked for, or by a proxy's word."""

from __future__ import annotations

from typing import Any

from reactorlib.protocols.http.elsewhere import USUAL_PORTS, ChanRequestElsewhere
from reactorlib.protocols.http.fields.hosts import Host, parseHost
from reactorlib.protocols.http.resource import NoResource, Resource


class NameVirtualHost(Resource):
    """Hands requests on to the resource of the host that they name, whatever its case.

    `default` answers for all other names; without it that is 404. It stands at the root
    of a site, or anywhere else.
    """

    def __init__(self, default: Any = None) -> None:
        super().__init__()
        self.default = default
        self.hosts: dict[bytes, Any] = {}

    def addHost(self, name: bytes | str, resource: Any) -> None:
        """Have a resource answer for a host; the name is without a port.

        Raises UnicodeError for a name that is not ASCII: give its xn-- form.
        """
        self.hosts[_name(name)] = resource

    def removeHost(self, name: bytes | str) -> None:
        """Have it answer no more. Raises KeyError if there is no such host."""
        del self.hosts[_name(name)]

    def _resource(self, request: Any) -> Any:
        found = self.hosts.get(_name(request.getRequestHostname()), self.default)
        return NoResource() if found is None else found

    def getChildWithDefault(self, path: bytes, request: Any) -> Any:
        resource = self._resource(request)
        if resource.isLeaf:
            request.postpath.insert(0, request.prepath.pop())
            return resource
        return resource.getChildWithDefault(path, request)

    def render(self, request: Any) -> Any:
        return self._resource(request).render(request)


class VHostMonsterResource(Resource):
    """Reads from a place at which other place a request was made, and has the site answer that.

    Standing at `/vhost`, it takes /vhost/https/example.com:443/a/b for a request for
    https://example.com/a/b; the port may be left away. It is for a proxy that writes such
    places and tells nothing in fields. Whoever reaches it can name any host: have only the
    proxy reach it.
    """

    def getChild(self, path: bytes, request: Any) -> Any:
        place = _place(request.postpath) if path in (b"http", b"https") else None
        if place is None or isinstance(request.chanRequest, ChanRequestElsewhere):
            return NoResource()
        secure = path == b"https"
        port = USUAL_PORTS[secure] if place.port is None else place.port
        request.moveTo(place.host, port, secure)
        names = request.path[1:].split(b"/")[len(request.prepath) + 1 :]
        request.path = b"/" + b"/".join(names)
        _, mark, query = request.uri.partition(b"?")
        request.uri = request.path + mark + query
        request.prepath.clear()
        del request.postpath[0]
        return request.site.getResourceFor(request)


def _place(names: list[bytes]) -> Host | None:
    """The first of these names, if it is a host and others follow."""
    try:
        place = parseHost(names[0]) if len(names) > 1 else None
    except ValueError:
        return None
    return place if place is not None and place.host else None


def _name(name: bytes | str) -> bytes:
    """Names are compared in lower case, and without the dot of a full one."""
    raw = name.encode("ascii") if isinstance(name, str) else name
    return raw.lower().removesuffix(b".")
