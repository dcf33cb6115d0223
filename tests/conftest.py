"""What every test runs under.

The repository's root is never on `sys.path`: there `import backends` would give
a second copy of reactorlib.backends. This holds for the programs that tests
start, too. Each run of the tests has a seed, which its header shows.
"""

from __future__ import annotations

import gc
import os
import random
import signal

import pytest
from hypothesis import settings

# No deadline: how long an example takes says more about what else the machine does.
settings.register_profile("reactorlib", print_blob=True, deadline=None)
settings.load_profile("reactorlib")

# What nohup(1), or a shell's `&`, has ignored; the programs that tests start inherit it.
DEFAULTS = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    os.environ["PYTHONSAFEPATH"] = "1"
    # With it a line that is printed is two writes, and another process's may come between.
    os.environ.pop("PYTHONUNBUFFERED", None)
    for number, handler in DEFAULTS.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.getrandbits(32))


def pytest_report_header(config: pytest.Config) -> str:
    return f"to repeat it: --hypothesis-seed={config.option.hypothesis_seed}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test of all begins first, so that nobody waits for it alone at the end."""
    items.sort(key=lambda item: "test_engine_sanitized" not in item.nodeid)


def pytest_collection_finish() -> None:
    """Many tests collect garbage or count objects: thousands of tests are none of either."""
    gc.collect()
    gc.freeze()
