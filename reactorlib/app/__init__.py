"""The command line: `reactorlib` and `python -m reactorlib`.

main.py reads the flags and runs a command; each module of `commands` is one.
A user's mistake is a UserMistake: a message on stderr and an exit code, and
never a traceback.
"""
