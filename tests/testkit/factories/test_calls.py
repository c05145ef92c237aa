"""Everything that one call makes is written at its end, and nothing of it where it fails."""

from __future__ import annotations

import datetime as dt
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import factory
import pytest
import sqlalchemy as sa
from factory.declarations import (
    LazyAttribute,
    LazyFunction,
    RelatedFactory,
    SelfAttribute,
    SubFactory,
    Trait,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, synonym

from testkit.core.messages import TestkitError
from testkit.factories import Factory, Unique

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.isolation.database import Database


class Base(DeclarativeBase):
    pass


class Club(Base):
    __tablename__ = "club"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    title: Mapped[str] = synonym("name")
    games: Mapped[list[Game]] = relationship(back_populates="home", foreign_keys="Game.home_id")


class Game(Base):
    __tablename__ = "game"
    id: Mapped[int] = mapped_column(primary_key=True)
    home_id: Mapped[int] = mapped_column(sa.ForeignKey("club.id"))
    guest_id: Mapped[int] = mapped_column(sa.ForeignKey("club.id"))
    note: Mapped[str | None]
    home: Mapped[Club] = relationship(back_populates="games", foreign_keys=home_id)
    guest: Mapped[Club] = relationship(foreign_keys=guest_id)


class Goal(Base):
    """Its parent is known by the key alone."""

    __tablename__ = "goal"
    id: Mapped[int] = mapped_column(primary_key=True)
    game_id: Mapped[int] = mapped_column(sa.ForeignKey("game.id"))


class Deleted(Base):
    """Unique among those that are not deleted."""

    __tablename__ = "deleted"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(30))
    is_deleted: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column()
    __table_args__ = (
        sa.Index("only_living", "name", unique=True, postgresql_where=sa.text("NOT is_deleted")),
        sa.UniqueConstraint("name", "version"),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's


class ClubFactory(Factory[Club]):
    pass


class GameFactory(Factory[Game]):
    pass


class GoalFactory(Factory[Goal]):
    pass


class DeletedFactory(Factory[Deleted]):
    pass


@pytest.fixture(scope="module", autouse=True)
def tables(database: Database) -> Database:
    Base.metadata.create_all(database.engine)
    return database


def count(database: Database, model: type[Base]) -> int | None:
    with database.session() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(model))


def test_a_declaration_reads_the_key_of_a_parent() -> None:
    class NotedFactory(Factory[Game]):
        home: Any = SubFactory(ClubFactory)
        note: Any = LazyAttribute(lambda game: f"at {game.home.id}")
        guest_id: Any = SelfAttribute("home.id")

    for game in [NotedFactory.create(), *NotedFactory.create_batch(2)]:
        assert (game.note, game.guest_id) == (f"at {game.home_id}", game.home_id)


def test_a_row_that_a_declaration_creates_has_its_key(tables: Database) -> None:
    class LazyFactory(Factory[Game]):
        home_id: Any = LazyFunction(lambda: ClubFactory.create().id)

    games = [LazyFactory.create(), *LazyFactory.create_batch(3)]

    assert len({game.home_id for game in games}) == 4
    assert count(tables, Game) == 4


def test_a_row_within_something_that_is_no_row_is_written(tables: Database) -> None:
    class PairFactory(factory.DictFactory):  # type: ignore[name-defined,misc]  # its stubs
        club: Any = SubFactory(ClubFactory)

    pair: Any = PairFactory()

    assert (pair["club"].id > 0, count(tables, Club)) == (True, 1)


def test_a_related_factory_makes_its_own_other_parents(tables: Database) -> None:
    class HostFactory(Factory[Club]):
        game: Any = RelatedFactory(GameFactory, factory_related_name="home")

    club = HostFactory.create()
    with tables.session() as session:
        game = session.scalars(sa.select(Game)).one()

    assert (game.home_id, game.guest_id != club.id) == (club.id, True)


def test_what_a_hook_sends_by_itself_is_committed(tables: Database, db_session: Session) -> None:
    class HookedFactory(Factory[Game]):
        @factory.post_generation  # type: ignore[attr-defined,untyped-decorator]  # its stubs
        def noted(self: Any, *_: object, **__: object) -> None:
            db_session.execute(sa.update(Game).values(note="by hand"))

    HookedFactory.create()
    with tables.session() as session:
        notes = session.scalars(sa.select(Game.note)).all()

    assert (notes, db_session.in_transaction()) == (["by hand"], False)


def test_a_hook_finds_its_row_committed(tables: Database) -> None:
    seen = []

    class HookedFactory(Factory[Club]):
        @factory.post_generation  # type: ignore[attr-defined,untyped-decorator]  # its stubs
        def seen_from_outside(self: Any, *_: object, **__: object) -> None:
            seen.append(count(tables, Club))

    HookedFactory.create()

    assert seen == [1]


@pytest.mark.parametrize("how", ["create", "create_batch"])
def test_nothing_of_a_call_that_fails_is_written_by_the_next(
    tables: Database, db_session: Session, how: str
) -> None:
    turns: Iterator[int] = iter(range(9))

    def fails() -> str:
        if next(turns) == (0 if how == "create" else 2):
            raise ZeroDivisionError
        return "fine"

    class FailingFactory(Factory[Game]):
        note: Any = LazyFunction(fails)

    with pytest.raises(ZeroDivisionError):
        FailingFactory.create() if how == "create" else FailingFactory.create_batch(5)
    ClubFactory.create()

    assert (count(tables, Game), count(tables, Club)) == (0, 1)


def test_the_session_can_be_used_behind_a_row_that_the_database_refused(tables: Database) -> None:
    club = ClubFactory.create()
    with pytest.raises(IntegrityError):
        ClubFactory.create(name=club.name)

    assert ClubFactory.create().id > club.id


def test_what_was_in_the_session_before_is_not_rolled_back(
    tables: Database, db_session: Session
) -> None:
    db_session.add(Club(name="mine"))
    with pytest.raises(ZeroDivisionError):
        GameFactory.create(note=LazyFunction(lambda: 1 / 0))
    db_session.commit()

    assert (count(tables, Club), count(tables, Game)) == (1, 0)


def test_a_key_beside_the_sub_factory_of_a_trait_wins() -> None:
    class PlayedFactory(Factory[Game]):
        class Params:
            played = Trait(home=SubFactory(ClubFactory))

    club = ClubFactory.create()

    assert PlayedFactory.create(played=True, home_id=club.id).home_id == club.id


def test_a_row_is_built_without_a_session_although_only_its_key_tells_of_a_parent() -> None:
    assert GoalFactory.build().id is None


def test_bulk_heeds_synonyms_parents_without_a_row_and_hooks_of_nobody(tables: Database) -> None:
    class HookedFactory(Factory[Game]):
        @factory.post_generation  # type: ignore[attr-defined,untyped-decorator]  # its stubs
        def never(self: Any, *_: object, **__: object) -> None:
            raise AssertionError

    ClubFactory.bulk(1, title="by its synonym")
    HookedFactory.bulk(3, home=ClubFactory.build(), note=LazyFunction(lambda: "x"))
    with tables.session() as session:
        names = session.scalars(sa.select(Club.name)).all()

    assert "by its synonym" in names
    assert count(tables, Game) == 3
    assert "never" not in HookedFactory.payload()


def test_what_is_unique_for_some_rows_is_no_natural_key_and_a_counter_tells_none_apart(
    tables: Database,
) -> None:
    rows = DeletedFactory.create_batch(3)

    assert len({row.name for row in rows}) == 3
    assert DeletedFactory.get_or_create(id=rows[0].id) is rows[0]
    with pytest.raises(Exception, match="TK408"):
        DeletedFactory.get_or_create(name=rows[0].name)


def test_a_detached_parent_stays_out_of_the_tests_session(
    tables: Database, db_session: Session
) -> None:
    """It may be shared by many tests."""
    with tables.session(expire_on_commit=False) as other:
        shared = Club(name="of all")
        other.add(shared)
        other.commit()
        assert shared.games == []
    game = GameFactory.create(home=shared)
    gc.collect()

    assert (game.home_id, sa.inspect(shared).detached, shared.games) == (shared.id, True, [])


def test_a_text_of_a_parent_that_is_none_is_refused() -> None:
    with pytest.raises(Exception, match=r"TK402: .*'note__x'"):
        GameFactory.build(note__x=1)
    with pytest.raises(Exception, match=r"TK402: .*'name__x'"):
        ClubFactory.build(name__x=1)


class Region(Base):
    __tablename__ = "region"
    id: Mapped[int] = mapped_column(primary_key=True)


class Town(Base):
    __tablename__ = "town"
    region_id: Mapped[int] = mapped_column(sa.ForeignKey("region.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    region: Mapped[Region] = relationship()


class House(Base):
    __tablename__ = "house"
    id: Mapped[int] = mapped_column(primary_key=True)
    region_id: Mapped[int] = mapped_column(sa.ForeignKey("region.id"))
    number: Mapped[int]
    region: Mapped[Region] = relationship(overlaps="town")
    town: Mapped[Town] = relationship(overlaps="region")
    __table_args__ = (
        sa.ForeignKeyConstraint(["region_id", "number"], ["town.region_id", "town.number"]),
    )


class TownFactory(Factory[Town]):
    pass


class HouseFactory(Factory[House]):
    pass


def test_parents_agree_on_the_column_that_they_share(tables: Database) -> None:
    house = HouseFactory.create()
    town = TownFactory.create()
    given = HouseFactory.create(town=town)
    with TownFactory.default(town):
        by_default = HouseFactory.create()
        HouseFactory.bulk(2)
    built = HouseFactory.build()

    assert house.region is house.town.region
    assert given.region_id == by_default.region_id == town.region_id
    assert built.region is built.town.region
    assert count(tables, Region) == 2


class Animal(Base):
    """A discriminator tells no rows apart, nor does a day or what is computed."""

    __tablename__ = "animal"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    born: Mapped[dt.date] = mapped_column(default=dt.date.today)
    place: Mapped[str]
    spelt: Mapped[str]
    slug: Mapped[str] = mapped_column(sa.Computed("lower(spelt)", persisted=True), unique=True)
    __table_args__ = (sa.UniqueConstraint("kind", "name"), sa.UniqueConstraint("born", "place"))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012


def test_what_many_rows_have_in_common_tells_none_apart() -> None:
    class AnimalFactory(Factory[Animal]):
        pass

    animals = AnimalFactory.build_batch(300)

    for name in ("name", "place", "spelt"):
        assert len({getattr(each, name) for each in animals}) == 300


@pytest.fixture
def archive(database: Database) -> Database:
    other = database.another()
    Base.metadata.create_all(other.engine)
    return other


@pytest.fixture
def archive_session(archive: Database) -> Iterator[Session]:
    with archive.session() as session:
        yield session


class ArchivedFactory(Factory[Any]):
    class Meta:
        abstract = True
        session_fixture = "archive_session"


def test_parents_go_where_their_child_goes_and_others_where_they_belong(
    tables: Database, archive: Database
) -> None:
    class ArchivedClubFactory(ArchivedFactory):
        class Meta:
            model = Club

    class ArchivedTownFactory(ArchivedFactory):
        class Meta:
            model = Town

    class CopyingFactory(Factory[Game]):
        class Params:
            copy = SubFactory(ArchivedClubFactory)

        note: Any = LazyAttribute(lambda game: game.copy.name)

    ArchivedTownFactory.create()
    CopyingFactory.create()

    assert (count(archive, Town), count(archive, Region), count(archive, Club)) == (1, 1, 1)
    assert (count(tables, Town), count(tables, Region), count(tables, Club)) == (0, 0, 2)


def test_a_row_that_is_gone_is_found_no_more(tables: Database, db_session: Session) -> None:
    club = ClubFactory.create()
    with tables.session() as session:
        session.execute(sa.delete(Club))
        session.commit()

    assert db_session.get(Club, club.id) is None


M = TypeVar("M")
S = TypeVar("S")


def test_the_model_is_found_among_several_type_arguments() -> None:
    class CrudFactory(Factory[M], Generic[S, M]):
        class Meta:
            abstract = True

    class Labelled(Generic[M]):
        pass

    class CrudClubFactory(CrudFactory[int, Club]):
        pass

    class LabelledClubFactory(Labelled[int], Factory[Club]):
        pass

    assert isinstance(CrudClubFactory.build(), Club)
    assert isinstance(LabelledClubFactory.build(), Club)


@pytest.mark.parametrize("given", ["a text", 7, {"id": 7}])
@pytest.mark.parametrize("how", ["build", "create", "payload", "bulk"])
def test_what_is_no_row_is_refused_where_one_belongs(how: str, given: object) -> None:
    with pytest.raises(TestkitError) as caught:
        getattr(GameFactory, how)(*[3] * (how == "bulk"), home=given)

    assert caught.value.code == "TK421"
    assert "takes a Club.\nIts key is home_id" in str(caught.value)


class Place(Base):
    """An association: each of its parents may come twice, but not together."""

    __tablename__ = "place"
    club_id: Mapped[int] = mapped_column(sa.ForeignKey("club.id"), primary_key=True)
    region_id: Mapped[int] = mapped_column(sa.ForeignKey("region.id"), primary_key=True)
    club: Mapped[Club] = relationship()
    region: Mapped[Region] = relationship()


def test_bulk_makes_the_parent_that_tells_rows_apart_beside_one_that_is_given(
    tables: Database,
) -> None:
    class PlaceFactory(Factory[Place]):
        pass

    club = ClubFactory.create()
    keys = [*PlaceFactory.bulk(3, club=club), *PlaceFactory.bulk(3, club_id=club.id)]
    with ClubFactory.default(club):
        keys += PlaceFactory.bulk(3)

    assert (len(set(keys)), {key[0] for key in keys}) == (9, {club.id})


class Code(Base):
    __tablename__ = "code"
    code: Mapped[str] = mapped_column(sa.String(12), primary_key=True)


def test_a_drawn_name_keeps_to_its_column_and_a_natural_key_is_in_the_payload() -> None:
    class CodeFactory(Factory[Code]):
        code: Any = Unique("A long Prefix")

    class DrawnFactory(Factory[Code]):
        pass

    assert len({CodeFactory.build().code for _ in range(20)}) == 20
    assert len(CodeFactory.build().code) <= 12
    assert list(DrawnFactory.payload()) == ["code"]


def test_a_declaration_of_what_the_model_has_not_is_named() -> None:
    class MisspeltFactory(Factory[Club]):
        nmae = "x"

    with pytest.raises(TestkitError) as caught:
        MisspeltFactory.build()

    assert caught.value.code == "TK402"


def test_a_call_within_a_hook_does_not_decide_how_the_outer_one_is_written(
    tables: Database,
) -> None:
    class FlushedFactory(Factory[Region]):
        class Meta:
            sqlalchemy_session_persistence = "flush"

    class HookedFactory(Factory[Club]):
        @factory.post_generation  # type: ignore[attr-defined,untyped-decorator]  # its stubs
        def with_region(self: Any, *_: object, **__: object) -> None:
            FlushedFactory.create()

    HookedFactory.create()

    assert (count(tables, Club), count(tables, Region)) == (1, 1)


def test_bulk_takes_over_a_parent_of_another_session(tables: Database) -> None:
    with tables.session() as other:
        theirs = Club(name="theirs")
        other.add(theirs)
        other.commit()
        GameFactory.bulk(2, home=theirs)
        hidden = Club(name="hidden")
        other.add(hidden)
        with pytest.raises(TestkitError) as caught:
            GameFactory.bulk(2, home=hidden)
        other.rollback()

    assert (caught.value.code, count(tables, Game)) == ("TK410", 2)


def test_threads_that_are_the_first_to_use_a_factory_find_all_of_it(
    request: pytest.FixtureRequest,
) -> None:
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-6)
    for _ in range(30):

        class FreshFactory(Factory[Club]):
            pass

        together = threading.Barrier(4)

        def build(made: type[FreshFactory] = FreshFactory, all_: Any = together) -> str:
            all_.wait()
            return made.build().name

        with ThreadPoolExecutor(4) as threads:
            names = [each.result() for each in [threads.submit(build) for _ in range(4)]]

        assert len(set(names)) == 4
        assert all(name.startswith("club-") for name in names)
