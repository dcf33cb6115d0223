"""The command line, and what programs made with the package share."""
