"""Compares servers of this project with their peers, side by side.

A map, lowest first; a module imports only from above itself:

    kernel      what the kernel knows of a process: processor time, memory
    processes   starting a process on a core, and ending it for certain
    programs    THE TABLE of everything that can be measured
    workshop    compiles the C, keeps the peers' virtual environment
    requests    the HTTP requests that are sent
    measures    measuring one program once
    scenarios   THE TABLE of what is measured, and the columns it fills
    rounds      A B C A B C: one result for each program and round
    figures     medians, spreads, ratios round by round
    machine     what the figures were measured on
    report      tables, Markdown, JSON, warnings

A new server is a script below `servers/` that prints its port, and a line in
`programs`. A new scenario is a line in `scenarios`.
"""
