"""Hello world and echo by socketify, which serves by uWebSockets."""

# mypy: ignore-errors

from __future__ import annotations

from socketify import App, AppListenOptions

HELLO = b"Hello, World!\n"


def hello(response, request) -> None:
    response.write_header("Content-Type", "text/plain")
    response.end(HELLO)


async def echo(response, request) -> None:
    data = await response.get_data()
    response.write_header("Content-Type", "text/plain")
    response.end(data.getvalue())


app = App()
app.get("/", hello)
app.post("/", echo)
listening = AppListenOptions(port=0, host="127.0.0.1")
app.listen(listening, lambda config: print(config.port, flush=True))
app.run()
