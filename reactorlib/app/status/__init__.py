"""What a running server tells of itself, to who may know.

`look` is what is told; `figures` takes it in a process; `socket` hands it out to the
owner of the process, over a UNIX socket; `sources` gathers it from workers; `page` shows
it to a browser, to Prometheus and to who checks the server's health. `reactorlib top`
shows it in a terminal. Nothing is measured while nobody looks.
"""
