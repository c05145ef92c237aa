"""``testkit doctor --fix`` and ``--diff`` on whole projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.commands import called

if TYPE_CHECKING:
    from pathlib import Path

# The plugins that are installed here take three seconds to load.
ALONE: Final = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def test_a_finding_is_shown_as_a_diff_rewritten_and_gone(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    models = tmp_path / "models.py"
    old = "import sqlalchemy as sa\nc = sa.Column(sa.JSON, default=[])\n"
    models.write_text(old)
    (tmp_path / "test_models.py").write_text(
        "import pytest, models\n\n@pytest.mark.skip\ndef test_a(): ...\n\n"
        "def test_b():\n    assert models.c.default is not None\n"
    )
    shown = called("doctor", "--diff", folder=tmp_path, **ALONE)

    assert shown.returncode == 1
    assert (
        "-c = sa.Column(sa.JSON, default=[])\n+c = sa.Column(sa.JSON, default=list)\n"
        in shown.stdout
    )
    assert (
        shown.stderr == "testkit: --fix would rewrite 1 finding in 1 file; 1 is left for a person\n"
    )
    assert models.read_text() == old

    fixed = called("doctor", "--fix", "--verify", folder=tmp_path, **ALONE)

    assert (fixed.returncode, fixed.stderr.splitlines()) == (
        1,
        ["testkit: rewrote 1 finding in 1 file; 1 is left for a person"],
    )
    assert fixed.stdout.startswith("test_models.py:3:2: TD501 warning: ")
    assert "default=list" in models.read_text()
    assert called("doctor", "--fix", "--ignore", "TD501", folder=tmp_path, **ALONE).stderr == (
        "testkit: rewrote 0 findings in 0 files\n"
    )


def test_a_rewrite_that_a_test_does_not_stand_is_put_back(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    models = tmp_path / "models.py"
    models.write_text("import sqlalchemy as sa\nc = sa.Column(sa.JSON, default=[])\n")
    (tmp_path / "test_models.py").write_text(
        "import models\n\ndef test_it():\n    assert models.c.default.is_scalar\n"
    )
    done = called("doctor", "--fix", "--verify", "--diff", folder=tmp_path, **ALONE)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "testkit: models.py is left as it is: test_models.py::test_it passed before",
        "testkit: rewrote 0 findings in 0 files; 1 is left for a person",
    ]
    assert "default=[]" in models.read_text()
    assert called("doctor", "--verify", folder=tmp_path, **ALONE).returncode == 2
