"""``python -m testkit.cli``."""

from testkit.cli import main

main()
