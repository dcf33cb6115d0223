"""The backend on select(2), every POSIX system, up to FD_SETSIZE descriptors."""

from reactorlib.backends import registry


def install() -> None:
    """Make this the backend of `reactorlib.reactor`.

    Raises ReactorAlreadyInstalledError if that has one, BackendUnavailable if
    this system lacks it.
    """
    registry.install("select")
