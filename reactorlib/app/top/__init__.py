"""`reactorlib top`: a running server in a terminal.

`remote` finds processes and asks them, `rates` compares two looks, `columns` says what
stands in the table, `screen` puts it all into lines, `terminal` shows them. Only
`remote` and `terminal` touch the world.
"""
