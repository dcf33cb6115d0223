"""The commands: a module each, with `add_arguments(parser)`.

Those that serve have `start(reactor, options)`, before the reactor runs; the others have
`answer(options)` instead, which gives the exit code.
The first line of a module's docstring is what `--help` says of it.
"""
