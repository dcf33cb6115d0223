"""The commands: a module each, with `add_arguments(parser)` and `start(reactor, options)`.

The first line of a module's docstring is what `--help` says of it.
"""
