import json
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cos.cli import modules as command_of_modules
from cos.models import HealthState, Module, OutboxEvent
from testkit.core.naming import UniqueNames
from tests.cos.commands import run
from tests.cos.factories import ModuleFactory


def test_modules_are_listed_in_the_order_of_their_registration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command_of_modules, "PAGE", 2)
    made = [ModuleFactory.create() for _ in range(5)]
    done = run("modules", "list")
    head, *lines = done.stdout.splitlines()

    assert (done.exit_code, done.stderr) == (0, "")
    assert head.split() == ["NAME", "VERSION", "ACTIVE", "STATE", "LAST", "ACTIVE", "ID"]
    assert [line.split()[0] for line in lines] == [module.name for module in made]
    assert [line.split()[-1] for line in lines] == [str(module.id) for module in made]


def test_modules_are_listed_by_state_and_by_a_part_of_their_name() -> None:
    offline = ModuleFactory.create(state=HealthState.OFFLINE)
    other = ModuleFactory.create()
    found = [
        [row["id"] for row in json.loads(run("modules", "list", "--json", *options).stdout)]
        for options in (["--state", "offline"], ["--search", other.name.upper()], [])
    ]

    assert found == [[str(offline.id)], [str(other.id)], [str(offline.id), str(other.id)]]


def test_a_list_of_nothing_has_no_line() -> None:
    done = run("modules", "list", "--search", "%")

    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "There is no such module.\n"


def test_a_module_is_registered_with_its_event_and_printed(
    db_session: Session, unique: UniqueNames
) -> None:
    name = unique("module")
    done = run("modules", "register", name, "1.2", "--config", '{"queue": 7}', "--json")
    module = db_session.scalars(select(Module)).one()
    event = db_session.scalars(select(OutboxEvent)).one()

    assert done.exit_code == 0
    assert json.loads(done.stdout)["id"] == str(module.id)
    assert (module.name, module.version, module.config) == (name, "1.2", {"queue": 7})
    assert (event.type, event.correlation_id) == ("module.registered", "cli")


def test_a_name_that_is_taken_is_refused() -> None:
    taken = ModuleFactory.create()
    done = run("modules", "register", taken.name, "1")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"A module named {taken.name!r} is registered already.")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["", "1"], "name: "),
        (["x" * 256, "1"], "name: "),
        (["\udcff", "1"], "name: "),
        (["x", "1" * 51], "version: "),
        (["x", "1", "--config", "{"], "--config cannot be read as JSON"),
        (["x", "1", "--config", "[" * 100_000], "--config cannot be read as JSON"),
        (["x", "1", "--config", "[]"], "config: "),
        (["x", "1", "--config", '{"a": "\\u0000"}'], "config: must not contain"),
        (["x", "1", "--config", '{"a": NaN}'], "config: must not contain a number"),
        (["x"], "Missing argument 'VERSION'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_module_is_wrong_use(
    db_session: Session, arguments: list[str], reason: str
) -> None:
    done = run("modules", "register", *arguments)

    assert (done.exit_code, done.stdout) == (2, "")
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert db_session.scalars(select(Module)).all() == []


def test_a_module_is_shown_by_its_id_and_by_its_name() -> None:
    module = ModuleFactory.create(config={"queue": 7})
    by_id, by_name = run("modules", "show", str(module.id)), run("modules", "show", module.name)

    assert (by_id.exit_code, by_id.stdout) == (0, by_name.stdout)
    assert f"name         {module.name}\n" in by_id.stdout
    assert 'config       {"queue": 7}\n' in by_id.stdout


def test_a_module_that_is_named_like_an_id_is_found_by_its_name() -> None:
    other = ModuleFactory.create()
    module = ModuleFactory.create(name=str(UUID(int=other.id.int ^ 1)))
    done = run("modules", "show", module.name, "--json")

    assert json.loads(done.stdout)["id"] == str(module.id)


@pytest.mark.parametrize("command", ["show", "remove"])
@pytest.mark.parametrize("named", ["nobody", str(UUID(int=1))])
def test_a_module_that_is_not_there_is_told(command: str, named: str) -> None:
    done = run("modules", command, named)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"There is no module with the id or the name {named!r}.\n")
    assert "Run now: python -m cos modules list" in done.stderr


@pytest.mark.parametrize("command", ["show", "remove"])
def test_a_name_that_is_no_text_is_wrong_use(command: str) -> None:
    done = run("modules", command, "\udcff")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "lone surrogate" in done.stderr


def test_a_module_is_removed_with_its_event(db_session: Session) -> None:
    module = ModuleFactory.create()
    module_id = module.id
    done = run("modules", "remove", module.name, "--yes")
    db_session.expunge_all()

    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"{module.name!r} ({module_id}) is removed.\n"
    assert db_session.get(Module, module_id) is None
    assert db_session.execute(select(OutboxEvent.type, OutboxEvent.correlation_id)).all() == [
        ("module.removed", "cli")
    ]


def test_without_yes_a_module_stays(db_session: Session) -> None:
    module = ModuleFactory.create()
    done = run("modules", "remove", str(module.id))

    assert (done.exit_code, done.stdout) == (1, "")
    assert f"Remove {module.name!r} ({module.id})" in done.stderr
    assert db_session.scalars(select(Module.id)).all() == [module.id]
