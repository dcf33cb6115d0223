"""HTTP/1.1, from bytes to applications.

Begin with `request` (one request and its answer) and `factory` (who serves them); `server`
and `resource` are what a site is made of. Beneath are `channel`, `chanrequest`, `headers`
and `parser`; beside, `static`, `forms`, `servlet`, `wsgi`, `asgi` and `proxy`.
"""
