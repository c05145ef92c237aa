import subprocess
import sys

import pytest

SPEAK = """
import logging, logging.config, sys
from cos.api.log_lines import log_config
logging.config.dictConfig(log_config(sys.argv[1]))
logging.getLogger("uvicorn.error").warning("spoken")
logging.getLogger("cos").debug("whispered")
"""


@pytest.mark.parametrize(("level", "lines"), [("debug", 2), ("info", 1), ("error", 0)])
def test_the_level_decides_what_is_logged(level: str, lines: int) -> None:
    # In a process of its own: logging is configured for a whole process.
    done = subprocess.run(
        [sys.executable, "-c", SPEAK, level], capture_output=True, text=True, check=True
    )

    assert (len(done.stderr.splitlines()), done.stdout) == (lines, "")


def test_a_line_outside_of_a_request_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPEAK, "info"], capture_output=True, text=True, check=True
    )

    assert done.stderr.endswith(" WARNING uvicorn.error [-] spoken\n")
