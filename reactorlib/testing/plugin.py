"""The pytest plugin: fixtures, and asynchronous tests that run on a reactor.

pytest imports this module at its start wherever reactorlib is installed, before
coverage is measured, and in projects that never use it. So it imports nothing
of the package but itself: what a fixture or a test needs is imported then,
inside the function. It must never install or make the process's reactor.

A test belongs to the plugin if it takes one of its fixtures, or has the mark
`reactorlib` and no other plugin's. Every other test is left alone.
"""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from reactorlib.posixbase import Reactor
    from reactorlib.testing.delivery import Delivery
    from reactorlib.testing.leaks import LoggedErrors
    from reactorlib.testing.link import Link
    from reactorlib.testing.memory import MemoryReactorClock

MARK = "reactorlib"

# How others mark their tests: by a mark, or by an attribute of the function.
OTHER_MARKS = ("asyncio", "anyio", "trio")
OTHER_ATTRIBUTES = ("_pytest_twisted_mark",)

CONTRACTS = "reactorlib.testing.contract."

# Every fixture of the plugin asks for this one: it tells whose a test is.
OURS = "_reactorlib"

_backends = pytest.StashKey[list[str]]()
_seed = pytest.StashKey[int]()
_seed_used = pytest.StashKey[int]()
_failed = pytest.StashKey[bool]()
_is_called_here = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("reactorlib")
    group.addoption(
        "--reactorlib-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="run each test of the `reactor` fixture on this backend; may be repeated, or `all`",
    )
    group.addoption(
        "--reactorlib-seed",
        type=int,
        metavar="SEED",
        help="the seed of the `link` fixture; by default another one in each run",
    )
    parser.addini(
        "reactorlib_timeout",
        "seconds that an asynchronous test may take on a reactor",
        default="60",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARK}(timeout=SECONDS): an asynchronous test that runs on a fresh reactor of reactorlib",
    )
    names = config.getoption("reactorlib_backend")
    config.stash[_backends] = _usable(names) if names else []
    seed = config.getoption("reactorlib_seed")
    config.stash[_seed] = random.SystemRandom().getrandbits(32) if seed is None else seed


def _usable(names: list[str]) -> list[str]:
    """Those backends, `all` replaced by what there is here."""
    from reactorlib.backends import registry
    from reactorlib.error import BackendUnavailable, NoSuchReactor

    try:
        chosen = [
            name
            for each in names
            for name in (registry.available() if each == "all" else (registry.find(each).name,))
        ]
    except (NoSuchReactor, BackendUnavailable) as error:
        raise pytest.UsageError(str(error)) from None
    return list(dict.fromkeys(chosen))


# Whose a test is, and how it is run


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = metafunc.fixturenames
    ours = OURS in names or metafunc.definition.get_closest_marker(MARK) is not None
    if ours and not {"reactor", "memory_reactor"}.intersection(names):
        names.extend(["reactor", "reactorlib_backend"])
    backends = metafunc.config.stash[_backends]
    if backends and "reactorlib_backend" in names:
        metafunc.parametrize("reactorlib_backend", backends)


# The last of the wrappers is the innermost: it comes before a plugin that takes
# all coroutine functions, and what it makes of ours does not look like one.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    made = yield
    for item in made if isinstance(made, list) else [made]:
        if isinstance(item, pytest.Function) and _is_ours(item):
            is_coroutine = inspect.iscoroutinefunction(item.obj)
            item.stash[_is_called_here] = is_coroutine or "reactor" in item.fixturenames
            item.obj = _until_its_end(item, item.obj, is_coroutine)
    return made


# First, because there are plugins that run every test in a loop of theirs. What may
# be meant for one of them is left to it: its result comes through.
@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Any:
    __tracebackhide__ = True
    if not pyfuncitem.stash.get(_is_called_here, False) and not _is_of_a_contract(pyfuncitem):
        return None
    python: Any = pyfuncitem.config.pluginmanager.get_plugin("python")
    return python.pytest_pyfunc_call(pyfuncitem)


def _is_of_a_contract(item: pytest.Function) -> bool:
    """Whether a test comes from the suites in `contract`: they look for leaks, too."""
    bases = () if item.cls is None else item.cls.__mro__
    return any(base.__module__.startswith(CONTRACTS) for base in bases)


def _is_ours(item: pytest.Function) -> bool:
    if item.get_closest_marker(MARK) is not None:
        return True
    others = any(item.get_closest_marker(mark) for mark in OTHER_MARKS) or any(
        hasattr(item.obj, attribute) for attribute in OTHER_ATTRIBUTES
    )
    return OURS in item.fixturenames and not others


def _until_its_end(
    item: pytest.Function, function: Callable[..., Any], is_coroutine: bool
) -> Callable[..., Any]:
    """The test's function, as one that returns when the test is done."""

    @functools.wraps(function)
    def run(*args: Any, **kw: Any) -> Any:
        __tracebackhide__ = True
        from reactorlib.testing.asynchronous import AsynchronousTest

        test = AsynchronousTest(item.funcargs, _timeout(item))
        if is_coroutine:
            return test.run(functools.partial(function, *args, **kw))
        return test.finish(function(*args, **kw))

    return run


def _timeout(item: pytest.Function) -> float:
    for mark in item.iter_markers(MARK):
        if "timeout" in mark.kwargs:
            return float(mark.kwargs["timeout"])
    return float(item.config.getini("reactorlib_timeout"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.failed:
        item.stash[_failed] = True
        if _seed_used in item.stash:
            seed = item.stash[_seed_used]
            again = f"Link(seed={seed}); to repeat it: --reactorlib-seed={seed}"
            report.sections.append(("The link of this test", again))
    return report


def _complain(request: pytest.FixtureRequest, left: list[str]) -> None:
    """Fail a test that would have passed."""
    from reactorlib.testing.leaks import expect_none

    if not request.node.stash.get(_failed, False):
        expect_none(left)


# Fixtures


@pytest.fixture(name=OURS)
def ours() -> None:
    """What the plugin knows its tests by."""


@pytest.fixture
def reactorlib_backend() -> str | None:
    """The backend of `reactor`; None is REACTORLIB_REACTOR, or the best one there is."""
    return None


@pytest.fixture
def logged_errors(_reactorlib: None, request: pytest.FixtureRequest) -> Iterator[LoggedErrors]:
    """The errors that reactorlib logs in the test; those not taken by `take` fail it."""
    from reactorlib.testing.leaks import recorded_errors

    with recorded_errors() as errors:
        yield errors
    _complain(request, errors.describe())


@pytest.fixture
def reactor(
    reactorlib_backend: str | None,
    logged_errors: LoggedErrors,
    request: pytest.FixtureRequest,
) -> Iterator[Reactor]:
    """A fresh reactor. Whatever the test leaves behind on it fails the test, by name."""
    from reactorlib.backends.registry import open_engine
    from reactorlib.posixbase import Reactor
    from reactorlib.testing.leaks import FreshReactors

    reactors = FreshReactors(lambda: Reactor(open_engine(reactorlib_backend)), grace=1.0)
    yield reactors.new()
    _complain(request, reactors.close())


@pytest.fixture
def memory_reactor(_reactorlib: None) -> MemoryReactorClock:
    """A reactor that only writes down what is asked of it, and its time."""
    from reactorlib.testing.memory import MemoryReactorClock

    return MemoryReactorClock()


@pytest.fixture
def clock(memory_reactor: MemoryReactorClock) -> MemoryReactorClock:
    """A time that moves when it is told to: that of `memory_reactor` and of `link`."""
    return memory_reactor


@pytest.fixture
def link(memory_reactor: MemoryReactorClock, request: pytest.FixtureRequest) -> Iterator[Link]:
    """A simulated network on `clock`; a test that fails tells its seed."""
    from reactorlib.testing.link import Link

    seed = request.node.stash[_seed_used] = request.config.stash[_seed]
    link = Link(seed, clock=memory_reactor)
    yield link
    _complain(request, [f"raised by a protocol: {fault!r}" for fault in link.reactor.faults])


@pytest.fixture(params=["whole", "bytes", "splits"])
def delivery(request: pytest.FixtureRequest) -> Delivery:
    """Gives data to new protocols: whole, in bytes, and divided at each point."""
    from reactorlib.testing.delivery import Delivery

    return Delivery(request.param)
