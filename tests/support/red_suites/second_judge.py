"""A red suite that somebody else wrote, with its truth: the path is in ``CI_RED_SUITE``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.red_suites.generator import RedSuite

__all__ = ["SECOND_JUDGE", "second_judge"]

#: None where the variable is not set: then it is not run.
SECOND_JUDGE: Final = Path(os.environ["CI_RED_SUITE"]) if "CI_RED_SUITE" in os.environ else None


def second_judge(source: Path, folder: Path) -> RedSuite:
    """Copy that suite into a folder and let it write its tests, as its README says."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    (folder / "tests").mkdir(exist_ok=True)
    shutil.copy(folder / "conftest_for_tests.py", folder / "tests" / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\n")
    subprocess.run(
        [sys.executable, "gen.py"], cwd=folder, check=True, timeout=60, stdout=subprocess.DEVNULL
    )
    truth = json.loads((folder / "truth.json").read_text())
    return RedSuite(folder, truth, frozenset())
