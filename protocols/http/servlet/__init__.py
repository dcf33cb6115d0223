"""Servlets: one object for each request, with the names of the OSE Python classes.

    daemon    HttpDaemon: servers at paths of one port; HttpServer, which chooses servlets
    base      HttpServlet: what is asked, and how it is answered
    details   HttpSession: what is asked
    form      FormServlet: the fields of a form
    simple    ErrorServlet, RedirectServlet, EchoServlet
    files     FileServlet, FileServer
    exchange  the request under them all

Names, values of fields and addresses are str, as in the original; content is bytes, for it
may be anything. `sendContent` takes str too, as UTF-8.
"""

from __future__ import annotations

from reactorlib.congestion import (
    CONNECTION_BACKLOG,
    CONNECTION_BLOCKED,
    CONNECTION_CLEARED,
)
from reactorlib.protocols.http.servlet.base import HttpServlet
from reactorlib.protocols.http.servlet.daemon import HttpDaemon, HttpServer
from reactorlib.protocols.http.servlet.details import HttpSession
from reactorlib.protocols.http.servlet.files import FileServer, FileServlet
from reactorlib.protocols.http.servlet.form import FormServlet
from reactorlib.protocols.http.servlet.simple import (
    REDIRECT_PERMANENT,
    REDIRECT_TEMPORARY,
    EchoServlet,
    ErrorServlet,
    RedirectServlet,
)

__all__ = [
    "CONNECTION_BACKLOG",
    "CONNECTION_BLOCKED",
    "CONNECTION_CLEARED",
    "REDIRECT_PERMANENT",
    "REDIRECT_TEMPORARY",
    "EchoServlet",
    "ErrorServlet",
    "FileServer",
    "FileServlet",
    "FormServlet",
    "HttpDaemon",
    "HttpServer",
    "HttpServlet",
    "HttpSession",
    "RedirectServlet",
]
