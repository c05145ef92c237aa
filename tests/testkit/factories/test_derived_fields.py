"""What a factory gives a model that its author did not declare, and what it leaves alone."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import TYPE_CHECKING, Any

import factory
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from testkit.core.current import current
from testkit.core.messages import TestkitError
from testkit.factories import Factory, Unique, registry

if TYPE_CHECKING:
    from testkit.isolation.database import Database


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "team"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    size: Mapped[int]
    founded: Mapped[dt.date]
    budget: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(12, 2))
    open: Mapped[bool] = mapped_column(default=True)
    motto: Mapped[str | None]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=sa.func.now())


class Player(Base):
    __tablename__ = "player"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    team_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("team.id"))
    mentor_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("player.id"))
    name: Mapped[str]
    team: Mapped[Team] = relationship()
    mentor: Mapped[Player | None] = relationship(remote_side="Player.id")

    @property
    def shirt(self) -> str:
        return self.name.upper()

    @shirt.setter
    def shirt(self, value: str) -> None:
        self.name = value.lower()


class TeamFactory(Factory[Team]):
    pass


class PlayerFactory(Factory[Player]):
    class Params:
        junior = factory.Trait(name="junior", team__name="juniors")  # type: ignore[attr-defined,no-untyped-call]  # its stubs


class Opaque(sa.types.UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "opaque"


class Strange(Base):
    __tablename__ = "strange"
    id: Mapped[int] = mapped_column(primary_key=True)
    thing: Mapped[Any] = mapped_column(Opaque)


@pytest.fixture(scope="module")
def tables(database: Database) -> Database:
    Base.metadata.create_all(database.engine, [Team.__table__, Player.__table__])  # type: ignore[list-item]  # a FromClause to mypy
    return database


def test_the_model_is_the_type_argument() -> None:
    assert isinstance(TeamFactory.build(), Team)


def test_every_column_that_needs_a_value_has_one_at_construction() -> None:
    team = TeamFactory.build()

    assert isinstance(team.id, uuid.UUID)
    assert team.name.startswith("team-")
    assert (type(team.size), type(team.founded)) == (int, dt.date)
    assert isinstance(team.budget, decimal.Decimal)


def test_defaults_of_the_model_are_there_and_nulls_and_the_servers_are_left_alone() -> None:
    team = TeamFactory.build()

    left: list[object] = [team.open, team.motto, team.created_at]

    assert left == [True, None, None]


def test_a_parent_is_made_where_the_key_must_not_be_null_and_nowhere_else() -> None:
    player = PlayerFactory.build()

    assert player.team_id == player.team.id
    assert (player.mentor, player.mentor_id) == (None, None)


def test_the_parent_is_made_by_the_factory_that_was_declared_for_it() -> None:
    class Club(Base):
        __tablename__ = "club"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    class Member(Base):
        __tablename__ = "club_member"
        id: Mapped[int] = mapped_column(primary_key=True)
        club_id: Mapped[int] = mapped_column(sa.ForeignKey("club.id"))
        club: Mapped[Club] = relationship()

    class MemberFactory(Factory[Member]):
        pass

    class ClubFactory(Factory[Club]):
        name = "the only one"

    class GrandClubFactory(ClubFactory):
        name = "a grand one"

    assert MemberFactory.build().club.name == "the only one"
    assert GrandClubFactory.build().name == "a grand one"


def test_what_a_test_file_declares_serves_that_file_alone() -> None:
    """Whether others are imported depends on what else is run."""

    class Stand(Base):
        __tablename__ = "stand"
        id: Mapped[int] = mapped_column(primary_key=True)

    class LocalFactory(Factory[Stand]):
        pass

    class ElsewhereFactory(Factory[Team]):
        __module__ = "tests.other"

    derived = registry.factory_for(Stand, Factory, ElsewhereFactory)

    class SharedFactory(Factory[Stand]):
        __module__ = "tests.shared_factories"

    SharedFactory.__qualname__ = "SharedFactory"  # as if it were of no function

    assert registry.factory_for(Stand, Factory, LocalFactory) is LocalFactory
    assert registry.factory_for(Stand, Factory, TeamFactory).__name__ == "SharedFactory"
    assert registry.factory_for(Stand, Factory, ElsewhereFactory) is SharedFactory
    assert derived not in (LocalFactory, SharedFactory)
    assert registry.all_factories()[-2:] == [LocalFactory, SharedFactory]


def test_no_parent_is_made_beside_a_key_that_was_given(tables: Database) -> None:
    team = TeamFactory.create()
    player = PlayerFactory.create(team_id=team.id)
    with tables.session() as session:
        teams = session.scalar(sa.select(sa.func.count()).select_from(Team))

    assert (player.team_id, teams) == (team.id, 1)


def test_the_key_wins_over_a_sub_factory_that_was_declared(tables: Database) -> None:
    class DeclaredFactory(Factory[Player]):
        team = factory.SubFactory(TeamFactory)  # type: ignore[attr-defined,no-untyped-call]  # its stubs

    team = TeamFactory.create()

    assert DeclaredFactory.create(team_id=team.id).team is team


def test_fields_of_a_derived_parent_can_be_given_and_come_from_traits() -> None:
    assert PlayerFactory.build(team__name="first").team.name == "first"
    assert PlayerFactory.build(junior=True).team.name == "juniors"
    assert PlayerFactory.build().name != "junior"


def test_a_lazy_attribute_sees_derived_fields() -> None:
    class MottoFactory(Factory[Team]):
        motto = factory.LazyAttribute(lambda team: f"we are {team.size}")  # type: ignore[attr-defined,no-untyped-call]  # its stubs

    team = MottoFactory.build(size=7)

    assert team.motto == "we are 7"
    assert (made := MottoFactory.build()).motto == f"we are {made.size}"


def test_factories_of_factory_boy_can_be_mixed_in(tables: Database) -> None:
    class PlainFactory(factory.alchemy.SQLAlchemyModelFactory):
        class Meta:
            model = Team

        name = factory.Sequence(lambda n: f"plain-{n}")  # type: ignore[attr-defined,no-untyped-call]  # factory-boy's
        size = 11

    class MixedFactory(PlainFactory, Factory[Team]):  # type: ignore[misc]  # two of Meta
        pass

    team = MixedFactory.create()

    assert (team.name[:6], team.size, team.founded is not None) == ("plain-", 11, True)


def test_sequences_count_up_in_derived_factories_too() -> None:
    class CountedFactory(Factory[Team]):
        motto = factory.Sequence(str)  # type: ignore[attr-defined,no-untyped-call]  # its stubs

    assert [each.motto for each in CountedFactory.build_batch(3)] == ["0", "1", "2"]


def test_post_generation_hooks_run_and_what_they_change_is_committed(tables: Database) -> None:
    class HookedFactory(Factory[Team]):
        @factory.post_generation  # type: ignore[attr-defined,untyped-decorator]  # its stubs
        def named_after_key(self: Any, create: object, extracted: object, **_: Any) -> None:
            self.motto = f"{self.id} {create} {extracted}"

    team = HookedFactory.create(named_after_key="x")
    with tables.session() as session:
        motto = session.scalar(sa.select(Team.motto).where(Team.id == team.id))

    assert motto == f"{team.id} True x"


def test_a_stub_has_the_fields_and_its_parents_and_is_no_object_of_the_model() -> None:
    stub: Any = PlayerFactory.stub(name="nobody")  # type: ignore[no-untyped-call]  # its stubs

    assert (stub.name, stub.team.name[:5], isinstance(stub, Player)) == ("nobody", "team-", False)


def test_an_attribute_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(TestkitError) as caught:
        TeamFactory.build(nmae="x")

    assert caught.value.code == "TK402"
    assert "'nmae'; Team has no such attribute. The nearest one is name." in str(caught.value)


@pytest.mark.parametrize("wrong", ["team__nmae", "taem__name"])
def test_so_is_one_of_a_parent(wrong: str) -> None:
    with pytest.raises(TestkitError) as caught:
        PlayerFactory.build(**{wrong: "x"})

    assert caught.value.code == "TK402"


def test_properties_with_a_setter_can_be_given() -> None:
    assert PlayerFactory.build(shirt="ANNA").name == "anna"


@pytest.mark.parametrize("text", ["7c9e6679-7425-40de-944b-e07fc1f90ae7", "mentor-1"])
def test_a_text_for_a_uuid_is_refused_at_the_call_with_the_fix(text: str) -> None:
    with pytest.raises(TestkitError) as caught:
        PlayerFactory.build(mentor_id=text)

    assert caught.value.code == "TK403"
    fix = f"uuid.UUID('{text}')" if "-" in text[8:] else "uuid.uuid4()"
    assert f"mentor_id={fix}" in str(caught.value)


def test_a_column_of_which_nothing_is_known_asks_for_a_declaration() -> None:
    class StrangeFactory(Factory[Strange]):
        pass

    with pytest.raises(TestkitError) as caught:
        StrangeFactory.build()

    assert caught.value.code == "TK406"
    assert StrangeFactory.build(thing="declared").thing == "declared"


def test_a_factory_for_what_is_no_model_is_refused_where_it_is_declared() -> None:
    with pytest.raises(TestkitError) as caught:

        class WrongFactory(Factory[int]):
            pass

    assert caught.value.code == "TK405"


def test_values_that_need_not_be_unique_repeat_with_the_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drawn(seed: int, doing: str) -> list[tuple[Any, ...]]:
        monkeypatch.setattr(current, "seed", seed)
        monkeypatch.setattr(current, "doing", doing)
        monkeypatch.setattr(current, "chances", {})
        return [(each.size, each.founded, each.budget) for each in TeamFactory.build_batch(5)]

    assert drawn(1, "test_a") == drawn(1, "test_a")
    assert drawn(1, "test_a") != drawn(2, "test_a")
    assert drawn(1, "test_a") != drawn(1, "test_b")


def test_so_do_those_of_factory_boys_faker_whatever_fixture_is_set_up_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class FakedFactory(Factory[Team]):
        motto = factory.Faker("sentence")  # type: ignore[attr-defined,no-untyped-call]  # its stubs

    def drawn(*, apart: bool) -> list[tuple[str | None, int]]:
        monkeypatch.setattr(current, "seed", 1)
        monkeypatch.setattr(current, "doing", "test_a")
        monkeypatch.setattr(current, "chances", {})
        found = [FakedFactory.build()]
        if apart:
            with current.apart(object(), "module fixture x of test_a.py"):
                FakedFactory.build_batch(5)
        found += FakedFactory.build_batch(2)
        assert len({each.motto for each in found}) == 3
        return [(each.motto, each.size) for each in found]

    assert drawn(apart=False) == drawn(apart=True)


def test_unique_values_differ_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "seed", 1)
    names = {TeamFactory.build().name for _ in range(50)} | {
        Unique("team").evaluate(None, None, {})
    }

    assert len(names) == 51
