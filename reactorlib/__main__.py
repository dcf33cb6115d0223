"""`python -m reactorlib`, the same as the command `reactorlib`."""

import sys

from reactorlib.app.main import main

sys.exit(main())
