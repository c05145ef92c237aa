"""Factories tried on a database; every trial is rolled back, whatever it committed."""

from __future__ import annotations

import contextlib
import inspect
import random
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from factory.alchemy import SQLAlchemyModelFactory
from factory.declarations import Trait
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from testkit.core.current import current
from testkit.doctor.factories.failing import failure_of
from testkit.doctor.factories.objects import (
    Flushed,
    constants,
    text_ids,
    unwritten,
    values_now,
    values_of,
)
from testkit.doctor.factories.overrides import declared_by, overrides_of
from testkit.doctor.factories.trial import Failure, Trial
from testkit.factories import Factory, bound_to
from testkit.factories.chance import begin_chance
from testkit.factories.registry import all_factories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

__all__ = ["is_asynchronous", "traits_of", "trials_of"]

_DEFERRED: Final = sa.text("SET CONSTRAINTS ALL IMMEDIATE")


def is_asynchronous(factory: Any) -> bool:
    """Return whether creating a row gives a coroutine, which only the project could await."""
    return any(
        inspect.iscoroutinefunction(getattr(factory, name))
        for name in ("create", "_create", "_save")
    )


def traits_of(factory: Any) -> list[str]:
    """Return the names of a factory's traits."""
    return [name for name, each in _meta(factory).parameters.items() if isinstance(each, Trait)]


def trials_of(factory: Any, engine: Engine) -> Iterator[Trial]:
    """Try a factory plain, then with each trait alone; no trial sees the rows of another.

    Traits are not tried together: some are meant to exclude each other.
    """
    for trait in ("", *traits_of(factory)):
        # Values by chance are the same each time, whatever was tried before.
        with current.apart(object(), f"{factory.__module__}.{factory.__qualname__} {trait}"):
            begin_chance()
            random.seed(current.doing)  # by which declarations of the project's own may draw
            yield _trial(factory, trait, engine)


def _trial(factory: Any, trait: str, engine: Engine) -> Trial:
    flags = {trait: True} if trait else {}
    with _undone(engine):
        facts = _built(factory, flags)
    if "built" not in facts:
        texts = facts.pop("texts", ())
        with _undone(engine) as session:
            facts |= _created(factory, flags, session)
        facts["texts"] = tuple(dict([*texts, *facts.get("texts", ())]).items())
    if trait:
        # Values that cannot be compared say nothing; of a model that is broken build() tells.
        facts["overrides"], _ = _attempt(lambda: overrides_of(factory, trait))
    return Trial(trait=trait, **facts)


def _built(factory: Any, flags: dict[str, bool]) -> dict[str, Any]:
    made, failure = _attempt(lambda: [factory.build(**flags) for _ in range(2)])
    if failure is not None:
        return {"built": failure}
    first, second = made
    facts: dict[str, Any] = {"texts": text_ids(first, values_now(first))}
    if not _meta(factory).sqlalchemy_get_or_create:  # two may be one row there
        facts["constants"] = constants(first, second)
    return facts


def _created(factory: Any, flags: dict[str, bool], session: Session) -> dict[str, Any]:
    flushed = Flushed(session)
    made, failure = _attempt(lambda: _create(factory, flags, session))
    if failure is not None:
        return {"created": failure}
    first, pending = made
    values = flushed.values(first)
    facts = {"pending": pending, "texts": text_ids(first, values)}
    # What nobody declared is the model's, or was derived from it: no defect of the factory.
    chosen = {name: values[name] for name in declared_by(factory, flags) & values.keys()}
    read, failure = _attempt(lambda: values_of(session, first, chosen))
    facts |= {"values": read} if failure is None else {"read": failure}
    if failure is None:
        _, facts["again"] = _attempt(lambda: _create(factory, flags, session))
    return facts


def _create(factory: Any, flags: dict[str, bool], session: Session) -> tuple[Any, tuple[str, ...]]:
    """Make a row and see to it that the database has judged it; return what was pending as well."""
    made = factory.create(**flags)
    pending = unwritten(session) if _writes_and_has_hooks(factory) else ()
    session.flush()
    _check_deferred(session)
    return made, pending


def _check_deferred(session: Session) -> None:
    """Check what else is checked by the commit only; the next row may be late again."""
    with session.connection().begin_nested() as savepoint:
        session.connection().execute(_DEFERRED)
        savepoint.rollback()


def _writes_and_has_hooks(factory: Any) -> bool:
    """Return whether the factory writes its row, and hooks may change things behind that."""
    meta = _meta(factory)
    return meta.sqlalchemy_session_persistence is not None and bool(
        meta.post_declarations.declarations
    )


def _attempt(work: Callable[[], Any]) -> tuple[Any, Failure | None]:
    try:
        return work(), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a factory may raise whatever it likes
        return None, failure_of(error)


@contextlib.contextmanager
def _undone(engine: Engine) -> Iterator[Session]:
    """Give a session that every factory writes through, and roll back what it did."""
    with engine.connect() as connection:
        outer = connection.begin()
        session = Session(bind=connection, join_transaction_mode="create_savepoint")
        try:
            with _written_through(session):
                yield session
        finally:
            # A factory may have closed or broken what is not its own.
            with contextlib.suppress(SQLAlchemyError):
                session.close()
            with contextlib.suppress(SQLAlchemyError):
                if outer.is_active:
                    outer.rollback()


@contextlib.contextmanager
def _written_through(session: Session) -> Iterator[None]:
    fixtures = {"db_session", *(_meta(each).session_fixture for each in all_factories())}
    plain = [
        _meta(each) for each in _below(SQLAlchemyModelFactory) if not issubclass(each, Factory)
    ]
    before = [(meta, meta.sqlalchemy_session, meta.sqlalchemy_session_factory) for meta in plain]
    with contextlib.ExitStack() as stack:
        for fixture in sorted(fixtures):
            stack.enter_context(bound_to(session, fixture=fixture))
        for meta in plain:
            meta.sqlalchemy_session, meta.sqlalchemy_session_factory = session, None
        try:
            yield
        finally:
            for meta, own, making in before:
                meta.sqlalchemy_session, meta.sqlalchemy_session_factory = own, making


def _meta(factory: Any) -> Any:
    return factory._meta  # noqa: SLF001 - factory-boy's place for options


def _below(kind: Any) -> Iterator[Any]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)
