"""Factories write through the running test's session, and their rows can be seen by others."""

from __future__ import annotations

import gc
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import factory
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    mapped_column,
    object_session,
    relationship,
)

from testkit.core.current import current
from testkit.core.messages import TestkitError
from testkit.factories import Factory, Unique
from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.core.naming import UniqueNames
    from testkit.isolation.database import Database


class Base(DeclarativeBase):
    pass


class Shop(Base):
    __tablename__ = "shop"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    open: Mapped[bool] = mapped_column(default=True)


class Article(Base):
    __tablename__ = "article"
    number: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("shop.id"))
    shop: Mapped[Shop] = relationship()


class Opening(Base):
    """Its key is a foreign key too: that of its shop."""

    __tablename__ = "opening"
    shop_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("shop.id"), primary_key=True)
    shop: Mapped[Shop] = relationship()


class Receipt(Base):
    """The server draws its key."""

    __tablename__ = "receipt"
    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=sa.func.gen_random_uuid()
    )


class Ledger(MappedAsDataclass, Base):
    """A dataclass whose key cannot be passed in."""

    __tablename__ = "ledger"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, init=False, default_factory=uuid.uuid4)
    name: Mapped[str] = mapped_column(default="")


class ShopFactory(Factory[Shop]):
    class Meta:
        model = Shop

    name: Any = Unique("shop")


class ArticleFactory(Factory[Article]):
    class Meta:
        model = Article

    shop: Any = factory.SubFactory(ShopFactory)  # type: ignore[attr-defined,no-untyped-call]  # its stubs


class OpeningFactory(Factory[Opening]):
    class Meta:
        model = Opening

    shop: Any = factory.SubFactory(ShopFactory)  # type: ignore[attr-defined,no-untyped-call]  # its stubs


class ReceiptFactory(Factory[Receipt]):
    class Meta:
        model = Receipt


class LedgerFactory(Factory[Ledger]):
    class Meta:
        model = Ledger


@pytest.fixture
def tables(database: Database) -> Database:
    Base.metadata.create_all(database.engine)
    return database


def names(database: Database) -> list[str]:
    """Return the names of all shops as another connection sees them."""
    with database.session() as session:
        return list(session.scalars(sa.select(Shop.name).order_by(Shop.name)))


def test_a_parent_is_at_hand_for_the_whole_test_without_another_query(
    tables: Database,
) -> None:
    """Committing expires it, and nobody but its child refers to it."""
    article = ArticleFactory.create()
    gc.collect()
    with_parent = sa.inspect(article).session
    assert with_parent is not None
    parents = [each for each in with_parent.identity_map.values() if isinstance(each, Shop)]

    assert parents == [article.shop]


def test_a_created_row_is_committed_and_seen_by_other_connections(tables: Database) -> None:
    shop = ShopFactory.create()

    assert names(tables) == [shop.name]


def test_the_row_belongs_to_the_session_of_the_test(tables: Database, db_session: Session) -> None:
    assert object_session(ShopFactory.create()) is db_session


@pytest.mark.parametrize("turn", [1, 2])
def test_the_same_name_can_be_created_in_every_test(tables: Database, turn: int) -> None:
    ShopFactory.create(name="corner shop")

    assert names(tables) == ["corner shop"]


def test_a_batch_has_names_and_keys_of_its_own(tables: Database) -> None:
    shops = ShopFactory.create_batch(20)

    assert names(tables) == sorted(shop.name for shop in shops)
    assert len({shop.id for shop in shops}) == 20


def test_a_related_row_is_created_with_it(tables: Database) -> None:
    article = ArticleFactory.create()

    assert names(tables) == [article.shop.name]
    assert article.shop_id == article.shop.id
    assert article.number > 0


def test_fields_of_a_related_row_can_be_given(tables: Database) -> None:
    article = ArticleFactory.create(shop__name="baker")

    assert (article.shop.name, names(tables)) == ("baker", ["baker"])


def test_a_key_that_is_a_foreign_key_is_left_to_the_relationship(tables: Database) -> None:
    opening = OpeningFactory.create()

    assert opening.shop_id == opening.shop.id


def test_a_key_that_the_server_draws_is_left_to_the_server(tables: Database) -> None:
    receipt = ReceiptFactory.create()
    built = ReceiptFactory.build()

    assert isinstance(receipt.id, uuid.UUID)
    assert built.id is None


def test_defaults_of_the_model_apply_and_explicit_values_win(tables: Database) -> None:
    key = uuid.uuid4()
    shop = ShopFactory.create(id=key, open=False)

    assert (shop.id, shop.open, ShopFactory.create().open) == (key, False, True)


def test_an_object_is_built_without_a_database_and_has_a_real_key() -> None:
    one, two = ShopFactory.build_batch(2)

    assert isinstance(one.id, uuid.UUID)
    assert one.id != two.id
    assert one.name.startswith("shop-")
    assert object_session(one) is None


def test_an_explicit_key_wins_in_a_built_object_too() -> None:
    key = uuid.uuid4()

    assert ShopFactory.build(id=key).id == key


def test_a_dataclass_whose_key_is_no_argument_draws_it_itself(tables: Database) -> None:
    ledger = LedgerFactory.create(name="sales")

    assert isinstance(ledger.id, uuid.UUID)
    assert isinstance(LedgerFactory.build().id, uuid.UUID)


def test_a_row_that_the_database_refuses_says_so_and_the_session_can_go_on(
    tables: Database, db_session: Session
) -> None:
    ShopFactory.create(name="taken")
    with pytest.raises(sa.exc.IntegrityError):
        ShopFactory.create(name="taken")
    db_session.rollback()
    ShopFactory.create(name="free")

    assert names(tables) == ["free", "taken"]


def test_names_are_different_in_a_thousand_draws_and_many_threads(unique: UniqueNames) -> None:
    with ThreadPoolExecutor(4) as threads:
        shops = list(threads.map(lambda _: ShopFactory.build(), range(1000)))
    drawn = {shop.name for shop in shops} | {unique("shop")}

    assert len(drawn) == 1001


def test_a_factory_outside_a_test_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "session", None)
    monkeypatch.setattr(current, "request", None)
    with pytest.raises(TestkitError) as caught:
        ShopFactory.create()

    assert caught.value.code == "TK401"
    assert "ShopFactory was asked to create a row outside a test." in str(caught.value)


SUITE = """
    import pytest
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
    from testkit.factories import Factory, Unique

    class Base(DeclarativeBase):
        pass

    class Thing(Base):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    class ThingFactory(Factory[Thing]):
        class Meta:
            model = Thing

        name = Unique("thing")

    at_import = ThingFactory.build()

    @pytest.fixture(scope="module")
    def shared():
        return ThingFactory.create()

    @pytest.fixture(scope="module")
    def built():
        return ThingFactory.build()

    def test_creates_too_early(shared):
        pass

    def test_builds_early(built):
        assert at_import.name.startswith("thing-") and built.name != at_import.name
"""


@pytest.mark.slow
def test_a_factory_in_a_wider_scoped_fixture_is_told_what_to_do(tmp_path: Path) -> None:
    outcome = Suite(tmp_path, test_it=SUITE).run()

    outcome.check(code=1, error=1, passed=1)
    assert "TK401" in outcome.messages
    assert "Traceback" not in outcome.messages
    assert "run:   testkit explain TK401" in outcome.messages


@pytest.mark.slow
def test_a_factory_that_creates_at_import_is_told_what_to_do(tmp_path: Path) -> None:
    suite = Suite(tmp_path, test_it=SUITE.replace("ThingFactory.build()", "ThingFactory.create()"))
    outcome = suite.run()

    assert outcome.code == 2
    assert "TK401" in outcome.text
