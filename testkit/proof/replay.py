"""One experiment: pytest in a process of its own, on these tests in this order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from testkit.core.messages import TestkitError
from testkit.system.child_group import run_group

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["replay"]


def replay(root: Path, nodeids: Sequence[str], *, timeout: float) -> str:
    """Return what became of the last test; ``failed`` also where it ended the process.

    Whatever ends this ends the child. Raises TK742 where tests are not there, it takes too long
    or pytest does not get to the test.
    """
    with tempfile.TemporaryDirectory(prefix="testkit-replay-") as folder:
        order, answer, said = (Path(folder) / name for name in ("order", "answer", "said"))
        order.write_text(json.dumps({"nodeids": list(nodeids), "answer": str(answer)}), "utf-8")
        files = dict.fromkeys(nodeid.partition("::")[0] for nodeid in nodeids)
        # One process, in this order; what is found out is no run that anybody wants a record of.
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:xdist"]
        command += ["-p", "no:cacheprovider", "-p", "testkit.proof.replay_plugin"]
        command += ["-o", "addopts=", f"--replay={order}", f"--rootdir={root}", "--", *files]
        try:
            code = run_group(
                command,
                folder=root,
                environment=os.environ | {"TESTKIT_RECORD": "false"},
                output=said,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            problem = f"it took longer than {timeout:g} s"
            raise TestkitError("TK742", problem=problem) from error
        told = json.loads(answer.read_text("utf-8")) if answer.exists() else {}
        if told.get("outcome"):
            return str(told["outcome"])
        if missing := told.get("missing"):
            raise TestkitError("TK742", problem=f"{missing[0]} is not collected any more")
        lines = said.read_text("utf-8", "replace").strip().splitlines() or [""]
        raise TestkitError("TK742", problem=f"pytest ended with {code}: {lines[-1]}")
