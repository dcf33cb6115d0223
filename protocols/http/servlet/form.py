"""A servlet for forms: it is called when all fields are there."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from reactorlib.protocols.http.body import Gathered
from reactorlib.protocols.http.forms import (
    FormError,
    FormLimits,
    Upload,
    gathering,
    queryFields,
)
from reactorlib.protocols.http.servlet.base import HttpServlet
from reactorlib.protocols.http.servlet.details import HttpSession
from reactorlib.protocols.http.status import BAD_REQUEST, NOT_IMPLEMENTED


class FormServlet(HttpServlet):
    """Takes a form by GET or POST. Override handleRequest.

    A field that came several times is a list. A file is an Upload, which is there until the
    answer is complete. `formLimits` are a FormLimits; beyond them the answer is 413.
    """

    formLimits = FormLimits()

    def __init__(self, session: HttpSession) -> None:
        super().__init__(session)
        self._form_values: dict[str, Any] = {}
        self._form_left = 0
        self._form_body: Gathered | None = None

    def handleRequest(self) -> None:
        """All fields are there: answer."""
        self.sendError(NOT_IMPLEMENTED)

    def containsField(self, name: str) -> bool:
        """Whether there is a field of that name."""
        return name in self._form_values

    def field(self, name: str) -> Any:
        """The value of a field. Raises KeyError if there is none."""
        return self._form_values[name]

    def fields(self) -> dict[str, Any]:
        """All of them."""
        return self._form_values

    def processRequest(self) -> None:
        method, length = self.requestMethod(), self.contentLength()
        if method not in ("GET", "POST"):
            self.sendError(NOT_IMPLEMENTED, "Request method type is not supported.")
        elif method == "POST" and length < 0:
            self.sendError(BAD_REQUEST, "Content length required for POST.")
        elif method == "GET" and (length > 0 or self._has_body()):
            self.sendError(BAD_REQUEST, "Unexpected content for GET.")
        elif method == "GET":
            self._handle_query()
        else:
            self._begin_form(length)

    def _handle_query(self) -> None:
        try:
            values = queryFields(self.queryString().encode("latin-1"), self.formLimits)
        except FormError as refused:
            self._refuse(refused)
        else:
            self._handle(values, {})

    def _begin_form(self, length: int) -> None:
        self._form_left = length
        try:
            self._form_body = gathering(self._exchange.in_headers, self.formLimits)
            if not length:
                self._end_form(self._form_body)
        except FormError as refused:
            self._refuse(refused)

    def processContent(self, content: bytes) -> None:
        if self._form_body is None:
            return
        try:
            self._form_body.add(content)
            self._form_left -= len(content)
            if not self._form_left:
                self._end_form(self._form_body)
        except FormError as refused:
            self._refuse(refused)

    def _end_form(self, form: Gathered) -> None:
        form.end()
        self._handle(form.fields, form.files)

    def _refuse(self, refused: FormError) -> None:
        self.sendError(refused.status, escape(str(refused)))

    def _handle(
        self, values: Mapping[bytes, list[bytes]], files: Mapping[bytes, list[Upload]]
    ) -> None:
        found: dict[bytes, list[str | Upload]] = {
            name: [value.decode("utf-8", "replace") for value in each]
            for name, each in values.items()
        }
        for name, uploads in files.items():
            found.setdefault(name, []).extend(uploads)
        self._form_values = {
            name.decode("utf-8", "replace"): each if len(each) > 1 else each[0]
            for name, each in found.items()
        }
        self.handleRequest()

    def destroyServlet(self) -> None:
        super().destroyServlet()
        form, self._form_body = self._form_body, None
        if form is not None:
            form.close()
