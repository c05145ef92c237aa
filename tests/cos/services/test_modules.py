import asyncio
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from cos.db.engine import service_engine
from cos.models import HealthStatus, Module
from cos.services import modules
from cos.services.errors import NameTakenError, UnknownModuleError
from cos.services.modules import ModuleChanges, NewModule
from cos.settings import Settings
from testkit.core.naming import UniqueNames
from testkit.factories import Unique
from tests.cos.factories import HealthStatusFactory, ModuleFactory

SAME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def _names(found: Iterable[Module]) -> list[str]:
    return [module.name for module in found]


async def test_a_registered_module_is_stored(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    body = ModuleFactory.payload(active=False, config={"a": [1, None, {"b": 2.5}]})
    made = await modules.register(async_db_session, NewModule(**body))
    made_id = made.id
    await async_db_session.commit()

    stored = db_session.get_one(Module, made_id)

    assert {field: getattr(stored, field) for field in body} == body


async def test_a_module_is_not_stored_before_the_caller_commits(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    await modules.register(async_db_session, NewModule(**ModuleFactory.payload()))

    assert db_session.scalar(select(func.count()).select_from(Module)) == 0

    await async_db_session.rollback()


async def test_a_taken_name_is_refused(async_db_session: AsyncSession) -> None:
    taken = (await ModuleFactory.acreate()).name

    with pytest.raises(NameTakenError, match=taken):
        await modules.register(async_db_session, NewModule(taken, "1"))


async def test_only_the_name_constraint_means_a_taken_name(async_db_session: AsyncSession) -> None:
    nameless = NewModule(**ModuleFactory.payload(name=None))

    with pytest.raises(IntegrityError, match="null value"):
        await modules.register(async_db_session, nameless)


async def test_of_concurrent_registrations_of_one_name_exactly_one_wins(
    settings: Settings, db_session: Session, unique: UniqueNames
) -> None:
    engine = service_engine(settings)
    sessions = async_sessionmaker(engine)
    name = unique("module")

    async def attempt(number: int) -> str:
        async with sessions.begin() as session:
            return (await modules.register(session, NewModule(name, str(number)))).version

    outcomes = await asyncio.gather(*map(attempt, range(8)), return_exceptions=True)
    await engine.dispose()
    winners = [outcome for outcome in outcomes if isinstance(outcome, str)]
    losers = [outcome for outcome in outcomes if isinstance(outcome, NameTakenError)]

    assert (len(winners), len(losers)) == (1, 7)
    assert db_session.scalars(select(Module.version)).all() == winners


async def test_a_name_that_a_rolled_back_registration_held_is_free(
    settings: Settings, unique: UniqueNames
) -> None:
    name = unique("module")
    engine = service_engine(settings)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    async with sessions() as undecided:
        await modules.register(undecided, NewModule(name, "1"))
        async with sessions() as waiting:
            registration = asyncio.create_task(modules.register(waiting, NewModule(name, "2")))
            await undecided.rollback()
            made = await registration
            await waiting.commit()
    await engine.dispose()

    assert made.version == "2"


async def test_a_module_is_found_by_its_id(async_db_session: AsyncSession) -> None:
    # By another session: this one would not ask the database for an object that it has.
    module = ModuleFactory.create()

    assert (await modules.get(async_db_session, module.id)).name == module.name


async def test_an_unknown_id_is_refused_by_name(async_db_session: AsyncSession) -> None:
    unknown = uuid.uuid4()

    with pytest.raises(UnknownModuleError, match=str(unknown)):
        await modules.get(async_db_session, unknown)


async def test_a_module_is_found_by_its_exact_name(
    async_db_session: AsyncSession, unique: UniqueNames
) -> None:
    end = unique("m")
    module = await ModuleFactory.acreate(name=f"100%_{end}")
    await ModuleFactory.acreate(name=f"100x_{end}")
    found = await modules.find_by_name(async_db_session, f"100%_{end}")

    assert found is not None
    assert found.id == module.id


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda _: "", id="nothing"),
        pytest.param(str.upper, id="another case"),
        pytest.param("{} ".format, id="a blank more"),
        pytest.param(lambda _: "' OR 1=1 --", id="a condition"),
        pytest.param(lambda _: "%", id="a pattern"),
    ],
)
async def test_a_name_that_nobody_has_finds_nothing(
    async_db_session: AsyncSession, other: Callable[[str], str]
) -> None:
    name = (await ModuleFactory.acreate()).name

    assert await modules.find_by_name(async_db_session, other(name)) is None


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_show_every_module_once_in_the_order_of_registration(
    async_db_session: AsyncSession, limit: int
) -> None:
    # One by one: rows of one transaction have the same time of registration.
    expected = [(await ModuleFactory.acreate()).name for _ in range(7)]
    seen, after = [], None
    while True:
        page = await modules.page(async_db_session, limit=limit, after=after)
        seen += _names(page.modules)
        assert len(page.modules) <= limit
        if (after := page.next) is None:
            break

    assert seen == expected


async def test_modules_of_the_same_moment_are_paged_by_their_id(
    async_db_session: AsyncSession,
) -> None:
    batch = await ModuleFactory.acreate_batch(5, created_at=SAME_TIME)
    expected = [module.id for module in sorted(batch, key=lambda module: module.id)]
    first = await modules.page(async_db_session, limit=2)
    rest = await modules.page(async_db_session, limit=10, after=first.next)

    assert [module.id for module in (*first.modules, *rest.modules)] == expected


async def test_a_page_that_is_exactly_full_is_the_last(async_db_session: AsyncSession) -> None:
    await ModuleFactory.acreate_batch(3)

    assert (await modules.page(async_db_session, limit=3)).next is None


async def test_there_is_a_page_of_nothing(async_db_session: AsyncSession) -> None:
    page = await modules.page(async_db_session, limit=3)

    assert (page.modules, page.next) == ([], None)


async def test_what_changes_between_two_pages_moves_no_other_module(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    first, second, third, fourth = [ModuleFactory.create() for _ in range(4)]
    page = await modules.page(async_db_session, limit=2)
    db_session.delete(first)
    db_session.delete(second)
    db_session.commit()
    fifth = ModuleFactory.create()

    following = await modules.page(async_db_session, limit=10, after=page.next)

    assert _names(following.modules) == [third.name, fourth.name, fifth.name]


@pytest.mark.parametrize(
    ("active", "expected"), [(None, [0, 1, 2, 3]), (True, [0, 2]), (False, [1, 3])]
)
async def test_pages_are_filtered_by_activity(
    async_db_session: AsyncSession,
    active: bool | None,  # noqa: FBT001 - a parameter of the test
    expected: list[int],
) -> None:
    made = [await ModuleFactory.acreate(inactive=number % 2 == 1) for number in range(4)]
    first = await modules.page(async_db_session, limit=1, active=active)
    rest = await modules.page(async_db_session, limit=9, after=first.next, active=active)

    assert _names((*first.modules, *rest.modules)) == [made[place].name for place in expected]


@pytest.mark.parametrize(
    "given",
    [
        {"name": Unique("module")},
        {"version": "2"},
        {"active": False},
        {"config": {"colour": "blue"}},
        {"name": Unique("module"), "version": "3", "active": False, "config": {}},
        {},
    ],
)
async def test_a_change_stores_what_it_names_and_nothing_else(
    async_db_session: AsyncSession, db_session: Session, given: dict[str, Any]
) -> None:
    drawn = ModuleFactory.payload(**given)
    changes = {field: drawn[field] for field in given}
    before = ModuleFactory.payload(active=True, config={"colour": "red"})
    module = ModuleFactory.create(**before)
    await modules.change(async_db_session, module.id, cast("ModuleChanges", changes))
    await async_db_session.commit()
    db_session.expire_all()

    assert {field: getattr(module, field) for field in before} == {**before, **changes}


async def test_a_change_answers_with_the_time_of_the_change(
    async_db_session: AsyncSession,
) -> None:
    module = ModuleFactory.create()
    changed = await modules.change(async_db_session, module.id, {"version": "2"})

    assert changed.updated_at > module.updated_at


async def test_a_change_to_a_taken_name_is_refused(async_db_session: AsyncSession) -> None:
    taken, module = await ModuleFactory.acreate_batch(2)

    with pytest.raises(NameTakenError, match=taken.name):
        await modules.change(async_db_session, module.id, {"name": taken.name})


async def test_a_change_to_its_own_name_is_none(async_db_session: AsyncSession) -> None:
    module = ModuleFactory.create()
    changed = await modules.change(async_db_session, module.id, {"name": module.name})

    assert changed.updated_at == module.updated_at


async def test_a_change_of_an_unknown_module_is_refused(async_db_session: AsyncSession) -> None:
    with pytest.raises(UnknownModuleError):
        await modules.change(async_db_session, uuid.uuid4(), {"version": "2"})


async def test_a_change_waits_for_the_change_before_it(
    settings: Settings, async_db_session: AsyncSession
) -> None:
    module = ModuleFactory.create()
    await modules.change(async_db_session, module.id, {"version": "2"})
    engine = service_engine(settings.model_copy(update={"lock_timeout": 0.05}))
    async with async_sessionmaker(engine)() as second:
        with pytest.raises(OperationalError, match="lock timeout"):
            await modules.change(second, module.id, {"version": "3"})
    await engine.dispose()
    await async_db_session.rollback()


async def test_a_removed_module_is_gone_with_its_health(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    status = HealthStatusFactory.create()
    await modules.remove(async_db_session, status.module_id)
    await async_db_session.commit()

    assert db_session.scalar(select(func.count()).select_from(Module)) == 0
    assert db_session.scalar(select(func.count()).select_from(HealthStatus)) == 0


async def test_removing_leaves_the_other_modules(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    gone, stays = ModuleFactory.create_batch(2)
    gone_id = gone.id
    await modules.remove(async_db_session, gone_id)
    await async_db_session.commit()

    assert db_session.scalars(select(Module.name)).all() == [stays.name]


async def test_removing_an_unknown_module_is_refused(async_db_session: AsyncSession) -> None:
    with pytest.raises(UnknownModuleError):
        await modules.remove(async_db_session, uuid.uuid4())
