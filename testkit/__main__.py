"""``python -m testkit``."""

from testkit.cli import main

main()
