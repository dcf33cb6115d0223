"""What a user can get wrong on the command line."""

from __future__ import annotations


class UserMistake(Exception):
    """Says what is wrong and what to do; ends the program with `exit_code`."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
