"""What this machine's pytest writes is read back: JUnit XML and a report log of the same run."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Final

import pytest

from testkit.triage.sources.reading import ReadRun, run_from
from tests.support.commands import environment

if TYPE_CHECKING:
    from pathlib import Path

FILES: Final = {
    "conftest.py": """
        import json

        class Log:
            def __init__(self, config):
                self.config = config
                self.write({"$report_type": "SessionStart"})
            def write(self, told):
                with open("log.jsonl", "a") as out:
                    out.write(json.dumps(told) + "\\n")
            def pytest_runtest_logreport(self, report):
                hook = self.config.hook.pytest_report_to_serializable
                self.write(hook(config=self.config, report=report))
            pytest_collectreport = pytest_runtest_logreport
            def pytest_sessionfinish(self, exitstatus):
                self.write({"exitstatus": int(exitstatus), "$report_type": "SessionFinish"})

        def pytest_configure(config):
            config.pluginmanager.register(Log(config))
    """,
    "shop.py": """
        def deep(x):
            if x == 1:
                raise ValueError("bad x\\nsecond line")

        def wrap(x):
            try:
                deep(x)
            except ValueError as error:
                raise RuntimeError("wrapped") from error

        def group():
            raise ExceptionGroup("both", [KeyError("k"), OSError("o")])
    """,
    "tests/test_a.py": """
        import pytest
        from shop import deep, group, wrap

        @pytest.fixture
        def broken(): wrap(1)

        class TestX:
            @pytest.mark.parametrize("v", ["a/b::c"])
            def test_none(self, v):
                assert deep(2) == {"a": 1}, "told"

        def test_wrap():
            wrap(1)

        def test_group():
            group()

        def test_setup(broken): pass
        def test_missing(nofixture): pass
        def test_ok(): pass

        @pytest.mark.skip(reason="no network")
        def test_skipped(): pass

        @pytest.mark.xfail(reason="later")
        def test_expected(): assert 0

        def test_sub(subtests):
            with subtests.test(msg="m", i=1):
                assert 1 == 2
    """,
    "tests/test_bad.py": "import nothing_of_this_name",
}
CHAINS: Final = {
    "tests/test_bad.py": ["ModuleNotFoundError"],
    "tests/test_a.py::TestX::test_none[a/b::c]": ["AssertionError"],
    "tests/test_a.py::test_wrap": ["RuntimeError", "ValueError"],
    "tests/test_a.py::test_group": ["ExceptionGroup", "KeyError", "OSError"],
    "tests/test_a.py::test_setup": ["RuntimeError", "ValueError"],
    "tests/test_a.py::test_missing": ["_pytest.fixtures.FixtureLookupError"],
    "tests/test_a.py::test_sub": ["AssertionError"],
}


def written(folder: Path, style: str) -> tuple[ReadRun, ReadRun]:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    program = [sys.executable, "-m", "pytest", "-q", f"--tb={style}", "--junitxml=report.xml"]
    off = ["-p", "no:randomly", "-p", "no:testkit", "-p", "no:cacheprovider"]
    subprocess.run(
        [*program, *off, "--continue-on-collection-errors"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    return (
        run_from([folder / "report.xml"], root=folder),
        run_from([folder / "log.jsonl"], root=folder),
    )


@pytest.mark.slow
@pytest.mark.parametrize("style", ["auto", "short", "native", "line"])
def test_both_reports_tell_the_same_of_each_test(style: str, tmp_path: Path) -> None:
    for run in written(tmp_path, style):
        chains = {one.nodeid: [raised.type for raised in one.chain] for one in run.failures}

        assert chains == CHAINS
        assert dict(run.counts) == {
            "error": 3,
            "failed": 4,
            "passed": 1,
            "skipped": 1,
            "xfailed": 1,
        }
        assert run.reasons["tests/test_a.py::test_skipped"] == "no network"
        phases = {one.nodeid.rpartition("::")[2]: one.phase for one in run.failures}
        assert (phases["test_setup"], phases["test_missing"]) == ("setup", "setup")
        if style == "line":
            continue
        wrap = next(one for one in run.failures if one.nodeid.endswith("test_wrap"))
        assert [(f.path, f.function, f.owner) for f in wrap.chain[0].frames] == [
            ("tests/test_a.py", "test_wrap", "test"),
            ("shop.py", "wrap", "project"),
        ]
