"""Hello world and echo by socketify, which serves by uWebSockets."""

# mypy: ignore-errors

from __future__ import annotations

from socketify import App, AppListenOptions

HELLO = b"Hello, World!\n"

receiving = set()  # socketify keeps no reference to a response whose request comes in pieces


def hello(response, request) -> None:
    response.write_header("Content-Type", "text/plain")
    response.end(HELLO)


def echo(response, request) -> None:
    pieces = []

    def taken(response, piece: bytes | None, last: bool) -> None:
        pieces.append(piece or b"")
        if last:
            response.write_header("Content-Type", "text/plain")
            response.end(b"".join(pieces))
            receiving.discard(response)

    receiving.add(response)
    response.on_aborted(receiving.discard)
    response.on_data(taken)


app = App()
app.get("/", hello)
app.post("/", echo)
listening = AppListenOptions(port=0, host="127.0.0.1")
app.listen(listening, lambda config: print(config.port, flush=True))
app.run()
