"""`python -m engine` is `mien`."""

from engine.cli import run

run()
