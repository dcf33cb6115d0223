"""Names the cffi build, and says what to install where it cannot be run.

All metadata is in setup.cfg.
"""

import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

PACKAGES = """
    apt-get install gcc python3-dev      Debian, Ubuntu
    dnf install gcc python3-devel        Fedora
    apk add gcc musl-dev python3-dev     Alpine
    xcode-select --install               macOS
"""


class BuildEngine(build_ext):
    """Compiles anew each time: headers and the version are in the C, but not seen to change."""

    def build_extensions(self) -> None:
        compiler = self.compiler.compiler_so[0]
        if shutil.which(compiler) is None:
            sys.exit(
                f"error: reactorlib needs a C compiler, and there is no {compiler}:\n{PACKAGES}"
            )
        header = Path(sysconfig.get_path("include"), "Python.h")
        if not header.exists():
            sys.exit(f"error: reactorlib needs Python's headers; {header} is missing:\n{PACKAGES}")
        self.force = True
        super().build_extensions()


setup(
    cffi_modules=[
        "backends/native/build.py:ffibuilder",
        "protocols/native/build.py:ffibuilder",
    ],
    cmdclass={"build_ext": BuildEngine},
)
