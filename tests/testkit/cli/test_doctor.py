"""``testkit doctor``: wrong use and exit codes, and whole runs on projects as strangers have them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from testkit.cli import main
from tests.support.commands import TESTKIT, called, environment
from tests.support.processes import LINUX, command_lines
from tests.support.suites import WITHOUT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[3]
SCHEMA: Final = """
    schema = "metadata:shops.models:Base.metadata"
    env = { DATABASE_URL = "{database.url}", CACHE = "{redis.url}" }
"""
MODELS: Final = """
    import os, uuid
    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    URL = os.environ["DATABASE_URL"]

    class Base(DeclarativeBase):
        pass

    class Shop(Base):
        __tablename__ = "shop"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
        name: Mapped[str] = mapped_column(sa.String(40), unique=True)
        open: Mapped[bool] = mapped_column(default=True)
"""
GOOD: Final = """
    from factory.declarations import Sequence, Trait
    from factory.alchemy import SQLAlchemyModelFactory
    from shops.models import Shop
    from testkit.factories import Factory

    print("printed by the project")

    class ShopFactory(Factory[Shop]):
        class Params:
            closed = Trait(open=False)

    class PlainShopFactory(SQLAlchemyModelFactory):
        class Meta:
            model = Shop
            sqlalchemy_session_persistence = "commit"

        name = Sequence(lambda n: f"shop {n}")
"""
BAD: Final = """
    from factory.declarations import Trait
    from shops.models import Shop
    from testkit.factories import Factory

    class ConstantFactory(Factory[Shop]):
        name = "corner"

        class Params:
            open_again = Trait(open=True)
"""


class Project:
    """A folder with a package ``shops`` and tests; ``schema`` tells testkit of the tables."""

    def __init__(self, root: Path, *, configuration: str = "") -> None:
        self.root = root
        self.write("shops/__init__.py", "")
        self.write("shops/models.py", MODELS)
        pytest_table = '[tool.pytest.ini_options]\npythonpath = ["."]\ntestpaths = ["tests"]\n'
        addopts = (
            "addopts = ['--strict-markers', '--testkit-leaks=warn', '--import-mode=importlib']"
        )
        strict = "filterwarnings = ['error']\nasyncio_default_fixture_loop_scope = 'function'"
        ours = f"[tool.testkit]\n{textwrap.dedent(configuration)}"
        self.write("pyproject.toml", "\n".join([pytest_table + addopts, strict, ours]))

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def doctor(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return called("doctor", "--select", "factories", *arguments, folder=self.root, **variables)

    def asked(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Return exit code, answer and standard error."""
        done = self.doctor("--format", "json", *arguments)

        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout), done.stderr


def here(
    arguments: Sequence[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> int | str | None:
    """Call the command in this process; return its exit code."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["testkit", "doctor", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--select", ""], "TK431: --select names nothing"),
        (["--select", "models", "--ignore", "models"], "--ignore leaves nothing"),
        (["--select", "factory"], "TK432: There is no group and no rule 'factory'; the nearest"),
        (["--select", "factories", "no_such_folder"], "'no_such_folder' does not exist"),
        (["--select", "factories", "--format", "html"], "'html' is not one of"),
        (["--select", "factories", "--no-such"], "No such option"),
    ],
)
def test_wrong_use_exits_with_2(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = here(arguments, tmp_path, monkeypatch)
    printed = capsys.readouterr()

    assert (code, printed.out) == (2, "")
    assert words in printed.err


@pytest.mark.parametrize("form", ["text", "json", "markdown", "github"])
def test_a_project_without_factories_is_fine_and_starts_no_server(
    form: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = here(["--select", "factories", "--format", form], tmp_path, monkeypatch)
    printed = capsys.readouterr()

    assert (code, printed.err) == (0, "testkit: no file with a factory was found\n")
    if form == "json":
        assert json.loads(printed.out)["summary"]["files"] == 0
    else:
        assert printed.out == "0 errors, 0 warnings in 0 files.\n"


@pytest.mark.slow
def test_factories_without_defect_exit_with_0(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("tests/factories.py", GOOD)
    done = project.doctor()

    assert done.returncode == 0, done.stderr
    assert done.stdout == "0 errors, 0 warnings in 2 factories with 1 trait, of 1 file.\n"
    assert "printed by the project" in done.stderr


@pytest.mark.slow
def test_a_defect_is_reported_at_its_class_and_exits_with_1(tmp_path: Path) -> None:
    project = Project(tmp_path, configuration=SCHEMA)
    project.write("tests/unit/conftest.py", BAD)
    project.write("tests/factories.py", GOOD)
    code, answer, _ = project.asked()
    found = [(each["code"], each["factory"], each["trait"]) for each in answer["findings"]]
    places = {(each["path"], each["line"], each["column"]) for each in answer["findings"]}

    assert code == 1
    assert found == [("TD104", "ConstantFactory", ""), ("TD107", "ConstantFactory", "open_again")]
    assert places == {("tests/unit/conftest.py", 6, 1)}
    assert answer["summary"] == {
        "errors": 1,
        "warnings": 1,
        "factories": 3,
        "traits": 2,
        "files": 2,
        "skipped": {},
    }


@pytest.mark.soak
def test_only_what_was_asked_for_is_reported_and_only_of_the_paths(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("tests/unit/factories.py", BAD)
    project.write("tests/factories.py", GOOD)
    elsewhere = project.doctor("tests/factories.py")
    warning = called("doctor", "--select", "TD107", "--format", "github", folder=tmp_path)

    assert elsewhere.returncode == 0, elsewhere.stdout + elsewhere.stderr
    assert warning.returncode == 1
    assert warning.stdout.startswith("::warning file=tests/unit/factories.py,line=6,col=1,")
    assert "::error" not in warning.stdout


@pytest.mark.soak
def test_the_schema_and_env_of_the_project_are_there_before_its_import(tmp_path: Path) -> None:
    project = Project(tmp_path, configuration=SCHEMA)
    project.write("tests/conftest.py", "import os\nCACHE = os.environ['CACHE']\n")
    project.write("tests/factories.py", GOOD)
    done = project.doctor()

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_file_that_cannot_be_imported_is_a_finding_and_hides_no_other(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("tests/conftest.py", "raise RuntimeError('not today')\n")
    project.write("tests/a/factories.py", "import nothing_there\n" + textwrap.dedent(BAD))
    project.write("tests/b/factories.py", BAD)
    project.write("tests/c/factories.py", "class AFactory(Factory:\n")
    project.write("tests/d/factories.py", "raise SystemExit(0)\nclass AFactory(Factory): ...\n")
    project.write(
        "tests/test_later.py",
        "import pytest\npytest.importorskip('nothing_there')\nclass AFactory(Factory): ...\n",
    )
    code, answer, told = project.asked()
    found = {
        each["path"]: each["message"] for each in answer["findings"] if "TD101" in each["code"]
    }

    assert code == 1
    assert found.keys() == {
        f"tests/{n}" for n in ("conftest.py", *(f"{x}/factories.py" for x in "acd"))
    }
    assert "RuntimeError: not today" in found["tests/conftest.py"]
    assert "No module named 'nothing_there'" in found["tests/a/factories.py"]
    assert "SyntaxError" in found["tests/c/factories.py"]
    assert ("TD104", "tests/b/factories.py") in {(f["code"], f["path"]) for f in answer["findings"]}
    assert "tests/test_later.py is left out: could not import 'nothing_there'" in told


@pytest.mark.soak
def test_a_module_is_imported_once_by_the_name_that_the_project_gives_it(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("tests/factories.py", "from pathlib import Path\n" + textwrap.dedent(GOOD))
    with (tmp_path / "tests/factories.py").open("a") as file:
        file.write("with Path('names').open('a') as names:\n    names.write(__name__ + '\\n')\n")
    project.write("tests/other/factories.py", GOOD.replace("ShopFactory", "OtherFactory"))
    project.write(
        "tests/test_shop.py",
        "from tests.factories import ShopFactory\nclass SmallShopFactory(ShopFactory):\n    pass\n",
    )
    done = project.doctor()

    assert done.returncode == 0, done.stdout + done.stderr
    assert "in 5 factories" in done.stdout
    assert (tmp_path / "names").read_text() == "tests.factories\n"


WAITING: Final = """
    import sqlalchemy as sa
    from factory import post_generation
    from shops.models import Shop, URL
    from testkit.factories import Factory

    class ShopFactory(Factory[Shop]):
        @post_generation
        def again(shop, create, extracted):
            if create:
                with sa.create_engine(URL).begin() as other:
                    other.execute(sa.insert(Shop).values(name=shop.name))
"""


@pytest.mark.soak  # it waits for as long as the doctor does
def test_a_factory_that_waits_for_its_own_row_gives_up(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("tests/factories.py", WAITING)
    code, answer, _ = project.asked()
    [found] = answer["findings"]

    assert code == 1
    assert found["reason"].startswith("create() raises LockNotAvailable: canceling statement")


@pytest.mark.soak
def test_a_project_that_ends_the_process_exits_with_3(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("tests/factories.py", "import os\nos._exit(0)\nclass A(Factory): ...\n")
    done = project.doctor()

    assert (done.returncode, done.stdout) == (3, "")
    assert "TK433: The process that imports the project ended with 0" in done.stderr


@pytest.mark.soak
def test_tables_that_cannot_be_made_exit_with_3(tmp_path: Path) -> None:
    project = Project(tmp_path)
    wrong = MODELS.replace("default=True", "server_default=sa.text('no_such_function()')")
    project.write("shops/models.py", wrong)
    project.write("tests/factories.py", GOOD)
    done = project.doctor()

    assert (done.returncode, done.stdout) == (3, "")
    assert "TK434: No schema is configured" in done.stderr
    assert "no_such_function() does not exist" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("module", "extra"), [("factory", "factories"), ("psycopg", "embedded")])
def test_what_is_not_installed_is_named_with_its_extra(
    module: str, extra: str, tmp_path: Path
) -> None:
    project = Project(tmp_path)
    project.write("tests/factories.py", GOOD)
    project.write("hiding/sitecustomize.py", WITHOUT.format(module=module))
    done = project.doctor(PYTHONPATH=str(tmp_path / "hiding"))

    assert (done.returncode, done.stdout) == (3, "")
    assert f"cos-testkit[{extra}]" in done.stderr


@pytest.mark.slow
@LINUX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_it_and_nothing_is_left(
    number: signal.Signals, tmp_path: Path, temporary: Path
) -> None:
    project = Project(tmp_path)
    project.write(
        "tests/factories.py",
        "import pathlib, signal, os\n"
        "pathlib.Path('there').write_text(os.environ['DATABASE_URL'])\n"
        "signal.pause()\nclass A(Factory): ...\n",
    )
    with subprocess.Popen(
        [TESTKIT, "doctor", "--select", "factories"],
        cwd=tmp_path,
        env=environment(TMPDIR=str(temporary)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # A background job of a shell ignores SIGINT, and so would everything that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        wait_until((tmp_path / "there").exists, seconds=30)
        process.send_signal(number)
        code = process.wait(timeout=30)
    mark = str(temporary)

    assert code == -number
    wait_until(lambda: not [line for line in command_lines().values() if mark in line])
    if number != signal.SIGKILL:
        assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_the_factories_of_the_control_center_have_no_defect() -> None:
    done = called("doctor", "--select", "factories", "tests/cos", folder=ROOT)

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"in [1-9]\d* factories", done.stdout)


MISTAKES: Final = """
    import pytest
    import sqlalchemy as sa

    class Order(Base):
        tags = sa.Column(sa.JSON, default=[])

    @pytest.mark.skip
    def test_it():
        client.flushall()
"""


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        ([], ["TD201", "TD501", "TD401"]),
        (["--select", "models"], ["TD201"]),
        (["--ignore", "models,TD501"], ["TD401"]),
        (["--select", "pytest", "tests"], ["TD501"]),
        (["--select", "async"], []),
    ],
)
def test_rules_that_read_find_what_was_asked_for_and_import_nothing(
    arguments: list[str],
    codes: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = Project(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    project.write("tests/test_it.py", MISTAKES)
    project.write("tests/test_broken.py", "def (:")
    code = here([*arguments, "--format", "json"], tmp_path, monkeypatch)
    printed = capsys.readouterr()
    answer = json.loads(printed.out)

    assert code == (1 if codes else 0)
    assert [found["code"] for found in answer["findings"]] == codes
    assert all(found["path"] == "tests/test_it.py" for found in answer["findings"])
    assert list(answer["summary"]["skipped"]) == ["tests/test_broken.py"]
    assert "tests/test_broken.py is left out: Python cannot read line 1" in printed.err
