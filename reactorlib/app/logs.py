"""Where the command line's log goes: as its flags say, or a file of logging.config."""

from __future__ import annotations

import argparse
import json
import logging
import logging.config
from logging.handlers import WatchedFileHandler

from reactorlib.app.mistakes import UserMistake

logger = logging.getLogger("reactorlib")


def set_up(options: argparse.Namespace) -> None:
    """Have everything logged that is to be. Raises UserMistake."""
    if options.log_config is not None:
        _configure(options.log_config)
        return
    try:
        handler: logging.Handler = (  # a file that is moved away is begun anew
            WatchedFileHandler(options.log_file) if options.log_file else logging.StreamHandler()
        )
    except OSError as cause:
        raise UserMistake(
            f"cannot open the log file {options.log_file}: {cause.strerror}"
        ) from cause
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel("DEBUG" if options.verbose else options.log_level.upper())


def _configure(path: str) -> None:
    """A dictionary of logging.config in JSON, or its older INI."""
    try:
        if path.endswith(".json"):
            with open(path, encoding="utf-8") as file:
                logging.config.dictConfig(json.load(file))
        else:
            logging.config.fileConfig(path, disable_existing_loggers=False)
    except OSError as cause:
        raise UserMistake(f"cannot read {path}: {cause.strerror or cause}") from cause
    except Exception as wrong:  # logging.config tells of what is wrong in many ways
        told = ": ".join(str(each) for each in (wrong, wrong.__cause__) if each is not None)
        raise UserMistake(f"{path} does not configure logging: {' '.join(told.split())}") from wrong
