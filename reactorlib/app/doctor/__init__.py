"""How many connections a machine holds, what limits it first, and what to do.

facts.py reads a Machine, memory.py measures what a connection takes; limits.py and
notes.py make findings of it, verdict.py concludes, text.py says it for people. Only the
first two see the system: the rest works on any Machine it is given.
"""
