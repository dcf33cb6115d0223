"""The one place that holds the version; setup.cfg and the C build read it."""

__version__ = "0.1.0"
