"""Names the cffi build; all metadata is in setup.cfg."""

from setuptools import setup

setup(cffi_modules=["backends/native/build.py:ffibuilder"])
