"""Imports the reactor of the package that the argument names, or nothing at all.

Prints the most memory that was resident, in bytes. The kernel's ru_maxrss
would not do: it begins with what the process that started this one had.
"""

import sys

for package in sys.argv[1:]:
    __import__(package, fromlist=["reactor"]).reactor  # noqa: B018
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")))
