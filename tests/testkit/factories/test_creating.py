"""How rows are written: when, through which session, and what of the caller's stays as it was."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, assert_type

import factory
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from testkit.core.messages import TestkitError
from testkit.factories import Factory, bound_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.ext.asyncio import AsyncSession

    from testkit.isolation.database import Database


class Base(DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelf"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(sa.String(60), unique=True)
    made_at: Mapped[dt.datetime] = mapped_column(server_default=sa.func.now())
    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012 - SQLAlchemy's


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    shelf_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("shelf.id"))
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("author.id"))
    shelf: Mapped[Shelf] = relationship()
    author: Mapped[Author] = relationship()
    __table_args__ = (sa.UniqueConstraint("shelf_id", "title"),)


class Seat(Base):
    __tablename__ = "seat"
    id: Mapped[int] = mapped_column(primary_key=True)
    window: Mapped[bool]
    row: Mapped[str] = mapped_column(sa.Enum("a", "b", "c", name="seat_row"))
    __table_args__ = (sa.UniqueConstraint("window", "row"),)


class SeatFactory(Factory[Seat]):
    pass


class Letter(Base):
    __tablename__ = "letter"
    code: Mapped[str] = mapped_column(sa.String(1), primary_key=True)


class LetterFactory(Factory[Letter]):
    pass


class ShelfFactory(Factory[Shelf]):
    pass


class AuthorFactory(Factory[Author]):
    pass


class BookFactory(Factory[Book]):
    pass


class NamedShelfFactory(Factory[Shelf]):
    class Meta:
        sqlalchemy_get_or_create = ("name",)


@pytest.fixture(scope="module", autouse=True)
def tables(database: Database) -> Database:
    Base.metadata.create_all(database.engine)
    return database


def count(database: Database, model: type[Base]) -> int | None:
    """Count the rows that another connection sees."""
    with database.session() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(model))


def test_a_graph_of_rows_is_committed_at_once(tables: Database, db_session: Session) -> None:
    commits: list[object] = []
    sa.event.listen(db_session, "after_commit", commits.append)
    BookFactory.create()

    assert (len(commits), count(tables, Book), count(tables, Shelf)) == (1, 1, 1)


def test_so_is_a_batch(tables: Database, db_session: Session) -> None:
    commits: list[object] = []
    sa.event.listen(db_session, "after_commit", commits.append)
    books = BookFactory.create_batch(25)

    assert (len(commits), count(tables, Book), len({book.shelf_id for book in books})) == (
        1,
        25,
        25,
    )
    assert BookFactory.create_batch(0) == []


def test_nothing_is_open_behind_a_created_row_and_its_key_is_there(
    tables: Database, db_session: Session
) -> None:
    book = BookFactory.create()
    with tables.queries.expect(exactly=0):
        key = book.id

    assert (key > 0, db_session.in_transaction()) == (True, False)


def test_what_the_application_changed_is_read_without_more_ado(
    tables: Database, db_session: Session
) -> None:
    shelf = ShelfFactory.create(name="as it was")
    with tables.session() as other:
        other.execute(sa.update(Shelf).where(Shelf.id == shelf.id).values(name="changed"))
        other.commit()

    assert shelf.name == "changed"


def test_a_session_that_expires_nothing_is_left_so(tables: Database) -> None:
    with tables.session(expire_on_commit=False) as session, bound_to(session):
        shelf = ShelfFactory.create()
        with tables.queries.expect(exactly=0):
            assert shelf.name != ""
        assert session.expire_on_commit is False


def test_flush_by_choice(tables: Database, db_session: Session) -> None:
    class FlushedFactory(Factory[Shelf]):
        class Meta:
            sqlalchemy_session_persistence = "flush"

    FlushedFactory.create()

    assert (count(tables, Shelf), db_session.in_transaction()) == (0, True)
    db_session.rollback()


def test_get_or_create_by_the_unique_constraint_whose_columns_are_given(tables: Database) -> None:
    shelf = ShelfFactory.get_or_create(name="tall")
    book = BookFactory.get_or_create(title="one", shelf=shelf)

    assert ShelfFactory.get_or_create(name="tall") is shelf
    assert BookFactory.get_or_create(title="one", shelf=shelf) is book
    assert (count(tables, Shelf), count(tables, Book), count(tables, Author)) == (1, 1, 1)


def test_get_or_create_needs_a_key() -> None:
    with pytest.raises(TestkitError) as caught:
        BookFactory.get_or_create(title="one")

    assert caught.value.code == "TK408"
    assert "shelf_id, title" in str(caught.value)


def test_factory_boys_own_get_or_create_works(tables: Database) -> None:
    assert NamedShelfFactory.create(name="a") is NamedShelfFactory.create(name="a")
    assert count(tables, Shelf) == 1


@pytest.mark.parametrize("how", ["get_or_create", "create"])
def test_a_conflict_in_get_or_create_rolls_nothing_of_the_callers_back(
    tables: Database, db_session: Session, how: str
) -> None:
    """Somebody else inserts the row between the look and the insert."""
    db_session.add_all([Author(name="one"), Author(name="two")])
    db_session.flush()

    overtaken: list[bool] = []

    @sa.event.listens_for(db_session, "before_flush")
    def overtake(session: Session, *_: object) -> None:
        if not overtaken and any(isinstance(each, Shelf) for each in session.new):
            overtaken.append(True)
            with tables.session() as other:
                other.add(Shelf(id=uuid.uuid4(), name="contested"))
                other.commit()

    shelf = getattr(NamedShelfFactory, how)(name="contested")
    db_session.commit()

    assert (shelf.name, count(tables, Author), count(tables, Shelf)) == ("contested", 2, 1)


def test_another_violation_in_get_or_create_is_told() -> None:
    with pytest.raises(IntegrityError):
        BookFactory.get_or_create(title="one", shelf_id=uuid.uuid4(), author_id=-1)


def test_the_default_parent_is_taken_wherever_one_would_be_made(tables: Database) -> None:
    shelf = ShelfFactory.create()
    with ShelfFactory.default(shelf):
        books = [*BookFactory.create_batch(3), BookFactory.create()]
        other = BookFactory.create(shelf__name="another")
        with AuthorFactory.default(AuthorFactory.create()):
            BookFactory.bulk(5)
    outside = BookFactory.create()

    assert {book.shelf for book in books} == {shelf}
    assert len({shelf, other.shelf, outside.shelf}) == 3
    assert (count(tables, Book), count(tables, Shelf)) == (11, 3)


def test_a_declared_sub_factory_takes_the_default_parent_too(tables: Database) -> None:
    class DeclaredFactory(Factory[Book]):
        shelf = factory.SubFactory(ShelfFactory)  # type: ignore[attr-defined,no-untyped-call]  # its stubs

    shelf = ShelfFactory.create()
    with ShelfFactory.default(shelf):
        assert DeclaredFactory.create().shelf is shelf


def test_a_parent_of_another_session_is_taken_over(tables: Database, db_session: Session) -> None:
    with tables.session() as other:
        shelf = Shelf(id=uuid.uuid4(), name="elsewhere")
        other.add(shelf)
        other.commit()
        book = BookFactory.create(shelf=shelf)

        assert (book.shelf.name, book.shelf is shelf) == ("elsewhere", False)


def test_one_that_is_not_committed_there_is_named(tables: Database) -> None:
    with tables.session() as other:
        shelf = Shelf(id=uuid.uuid4(), name="elsewhere")
        other.add(shelf)
        other.flush()
        with pytest.raises(TestkitError) as caught:
            BookFactory.create(shelf=shelf)
        other.rollback()

    assert caught.value.code == "TK410"


def test_bulk_writes_thousands_by_one_statement(tables: Database) -> None:
    with tables.queries.record() as statements:
        keys = BookFactory.bulk(500)

    inserts = [each for each in statements if "INSERT INTO book" in each.statement]
    assert (len(set(keys)), len(inserts)) == (500, 1)
    assert (count(tables, Book), count(tables, Author)) == (500, 1)


def test_bulk_takes_parents_and_keys_and_nothing_at_all(tables: Database) -> None:
    shelf = ShelfFactory.create()
    author = AuthorFactory.create()
    BookFactory.bulk(3, shelf=shelf, author_id=author.id)

    assert (BookFactory.bulk(0), count(tables, Book), count(tables, Shelf)) == ([], 3, 1)


def test_a_session_of_ones_own_is_bound_for_a_block(tables: Database) -> None:
    with tables.session() as session, bound_to(session):
        shelf = ShelfFactory.create()

        assert sa.inspect(shelf).session is session


@pytest.fixture
def archive(database: Database) -> Database:
    """A second database, with the same tables."""
    other = database.another()
    Base.metadata.create_all(other.engine)
    return other


@pytest.fixture
def archive_session(archive: Database) -> Iterator[Session]:
    with archive.session() as session:
        yield session


def test_a_factory_can_write_to_another_database(tables: Database, archive: Database) -> None:
    class ArchivedFactory(Factory[Shelf]):
        class Meta:
            session_fixture = "archive_session"

    ArchivedFactory.create()
    ShelfFactory.create_batch(2)

    assert (count(archive, Shelf), count(tables, Shelf)) == (1, 2)


def test_a_short_column_is_filled_to_its_last_value_and_then_told(tables: Database) -> None:
    letters = LetterFactory.create_batch(36)
    with pytest.raises(TestkitError) as caught:
        LetterFactory.create()

    assert len({letter.code.lower() for letter in letters}) == 36
    assert (caught.value.code, "letter.code" in str(caught.value)) == ("TK411", True)


def test_so_are_columns_that_are_unique_together(tables: Database) -> None:
    seats = SeatFactory.create_batch(6)
    with pytest.raises(TestkitError) as caught:
        SeatFactory.create()

    assert len({(seat.window, seat.row) for seat in seats}) == 6
    assert (caught.value.code, "seat.(row, window)" in str(caught.value)) == ("TK411", True)


async def test_rows_are_created_through_the_async_session(
    tables: Database, async_db_session: AsyncSession
) -> None:
    book = await BookFactory.acreate()

    assert sa.inspect(book).session is async_db_session.sync_session
    assert (book.shelf.name != "", book.author.name != "", book.shelf.made_at.year > 2000) == (
        True,
        True,
        True,
    )
    assert count(tables, Book) == 1


async def test_the_session_is_found_without_being_named(tables: Database) -> None:
    await BookFactory.acreate_batch(5)
    await AuthorFactory.abulk(7)
    shelf = await ShelfFactory.aget_or_create(name="x")

    assert await ShelfFactory.aget_or_create(name="x") is shelf
    assert (count(tables, Book), count(tables, Author)) == (5, 12)


async def test_tasks_that_create_at_once_take_turns(tables: Database) -> None:
    books = await asyncio.gather(*(BookFactory.acreate() for _ in range(10)))

    assert (len({book.id for book in books}), count(tables, Book)) == (10, 10)


async def test_a_default_parent_serves_async_creates_of_several_tasks(tables: Database) -> None:
    shelf = await ShelfFactory.acreate()
    with ShelfFactory.default(shelf):
        books = await asyncio.gather(*(BookFactory.acreate() for _ in range(4)))

    assert {book.shelf_id for book in books} == {shelf.id}


async def test_a_parent_that_was_created_synchronously_serves_too(tables: Database) -> None:
    shelf = ShelfFactory.create()
    book = await BookFactory.acreate(shelf=shelf)

    assert (book.shelf_id, count(tables, Shelf)) == (shelf.id, 1)


async def test_an_async_session_of_ones_own_is_bound_for_a_block(tables: Database) -> None:
    async with tables.async_session() as session:
        with bound_to(session):
            shelf = await ShelfFactory.acreate()
            with pytest.raises(TestkitError) as caught:
                ShelfFactory.create()

        assert sa.inspect(shelf).session is session.sync_session
    assert caught.value.code == "TK404"
    await tables.async_engine.dispose()


def test_a_row_that_the_database_refuses_leaves_a_session_that_goes_on(
    tables: Database, db_session: Session
) -> None:
    ShelfFactory.create(name="taken")
    with pytest.raises(IntegrityError):
        ShelfFactory.create(name="taken")
    db_session.rollback()

    assert ShelfFactory.create(name="free").name == "free"


def test_objects_are_typed(db_session: Session) -> None:
    shelf = assert_type(ShelfFactory.create(), Shelf)
    many = assert_type(ShelfFactory.create_batch(1), list[Shelf])
    body = assert_type(ShelfFactory.payload(), dict[str, Any])
    found = assert_type(ShelfFactory.get_or_create(name="x"), Shelf)
    called = assert_type(ShelfFactory(), Shelf)

    assert len({shelf, found, called, *many, ShelfFactory.build()}) == 5
    assert list(body) == ["name"]


async def test_so_are_those_of_asynchronous_calls() -> None:
    shelf = assert_type(await ShelfFactory.acreate(), Shelf)

    assert assert_type(await ShelfFactory.aget_or_create(name=shelf.name), Shelf) is shelf
