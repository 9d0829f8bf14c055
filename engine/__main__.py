"""`python -m engine` is `mien`."""

import sys

from engine.cli import main

sys.exit(main())
