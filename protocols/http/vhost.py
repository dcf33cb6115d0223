"""Many sites at one address: by the name that was asked for."""

from __future__ import annotations

from typing import Any

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


def _name(name: bytes | str) -> bytes:
    """Names are compared in lower case, and without the dot of a full one."""
    raw = name.encode("ascii") if isinstance(name, str) else name
    return raw.lower().removesuffix(b".")
