"""Finding modules by a part of their name and by their state."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from cos.models import HealthState
from cos.services import modules
from testkit.core.naming import UniqueNames
from tests.cos.factories import ModuleFactory


async def _found(session: AsyncSession, search: str, **filters: object) -> Sequence[str]:
    page = await modules.page(session, limit=50, search=search, **filters)  # type: ignore[arg-type]  # any
    return [module.name for module in page.modules]


async def test_a_part_of_a_name_finds_it_in_whatever_case(
    async_db_session: AsyncSession, unique: UniqueNames
) -> None:
    name = f"Billing {unique('module')} \N{LATIN CAPITAL LETTER A WITH DIAERESIS}ra"
    await ModuleFactory.acreate(name=name)
    await ModuleFactory.acreate()
    parts = [
        "billing",
        "LLIN",
        name,
        name.lower(),
        "\N{LATIN SMALL LETTER A WITH DIAERESIS}RA",
        # One letter; that of no worker and no hexadecimal digit, which the other name may have.
        "\N{LATIN SMALL LETTER A WITH DIAERESIS}",
    ]
    found = [await _found(async_db_session, part) for part in parts]

    assert found == [[name]] * len(parts)


async def test_without_a_part_every_module_is_found(async_db_session: AsyncSession) -> None:
    names = [module.name for module in await ModuleFactory.acreate_batch(2)]

    assert sorted(await _found(async_db_session, "")) == sorted(names)


@pytest.mark.parametrize("wildcard", ["%", "_", "!", "\\", "!%", "\\%", "%%", "'", '"'])
async def test_nothing_in_the_part_is_a_wildcard(
    async_db_session: AsyncSession, unique: UniqueNames, wildcard: str
) -> None:
    name = f"{unique('module')}{wildcard}x"
    await ModuleFactory.acreate(name=name)
    await ModuleFactory.acreate()

    assert await _found(async_db_session, f"{wildcard}X") == [name]


async def test_filters_go_together(async_db_session: AsyncSession, unique: UniqueNames) -> None:
    part = unique("part")
    wanted = f"{part} wanted"
    await ModuleFactory.acreate(name=wanted, state=HealthState.OFFLINE)
    await ModuleFactory.acreate(name=f"{part} 2", state=HealthState.HEALTHY)
    await ModuleFactory.acreate(name=f"{part} 3", state=HealthState.OFFLINE, active=False)
    await ModuleFactory.acreate(state=HealthState.OFFLINE)
    found = await _found(async_db_session, part, state=HealthState.OFFLINE, active=True)

    assert found == [wanted]


async def test_a_search_is_paged_too(async_db_session: AsyncSession, unique: UniqueNames) -> None:
    part = unique("part")
    names = [f"{part} {number}" for number in range(3)]
    for name in names:
        await ModuleFactory.acreate(name=name)
    first = await modules.page(async_db_session, limit=2, search=part)
    second = await modules.page(async_db_session, limit=2, search=part, after=first.next)

    assert [module.name for page in (first, second) for module in page.modules] == names
    assert second.next is None


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20))
def test_any_text_is_searched_for_as_it_is(db_session: Session, text: str) -> None:
    pattern = modules._containing(text)
    like = db_session.connection().exec_driver_sql(
        "SELECT %(text)s LIKE %(pattern)s ESCAPE '!', 'x' LIKE %(pattern)s ESCAPE '!'",
        {"text": f"a{text}b", "pattern": pattern},
    )

    assert tuple(like.one()) == (True, text == "x")


def test_the_trigrams_serve_the_search(db_session: Session) -> None:
    db_session.execute(text("SET LOCAL enable_seqscan = off"))
    plan = "\n".join(
        db_session.scalars(
            text("EXPLAIN SELECT id FROM modules WHERE name ILIKE '%billing%' ESCAPE '!'")
        )
    )

    assert "ix_modules_name_trigrams" in plan
