"""The factory base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from factory.alchemy import SQLAlchemyModelFactory
from factory.errors import InvalidDeclarationError

from testkit.factories.building import Builder, step_now, without_hooks
from testkit.factories.bulk import insert_rows
from testkit.factories.calls import call_now, calling
from testkit.factories.construct import fill_keys, is_pending, key_of, unknown_attribute
from testkit.factories.looking import looks_at_rows
from testkit.factories.natural_key import find, inserted_or_found, natural_key
from testkit.factories.options import FactoryMeta, FactoryOptions
from testkit.factories.payload import payload_of
from testkit.factories.profile import profiled
from testkit.factories.registry import reusing
from testkit.factories.sessions import (
    in_session,
    own_copy,
    session_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sqlalchemy.orm import Session

__all__ = ["Factory"]

T = TypeVar("T")


class Factory(SQLAlchemyModelFactory, Generic[T], metaclass=FactoryMeta):
    """factory-boy's SQLAlchemy factory, completed from the mapper and bound to the running test.

        class ModuleFactory(Factory[Module]):
            pass

        module = ModuleFactory.create(active=False)

    What is declared works as in factory-boy. What is not comes from the model: its defaults, values
    of the right type, length and range, parents where a foreign key must not be null; a column that
    must be unique gets a value that no other test, worker, process or rerun draws. ``create`` adds
    to the test's ``db_session`` (a user's own fixture of that name wins) and commits, once for the
    object and its parents, so that the application under test sees the rows.

    Options in ``Meta`` beside factory-boy's: ``session_fixture`` and ``async_session_fixture``, the
    names of fixtures that give another session. Raises TK401 outside a test, TK402 for a name that
    the model has not, TK403 for a text where a UUID belongs, TK406 where a value cannot be derived.
    """

    _options_class = FactoryOptions
    _root = True

    class Meta:  # noqa: D106 - factory-boy's
        abstract = True
        sqlalchemy_session_persistence = "commit"

    if TYPE_CHECKING:
        # What factory-boy's own annotations do not say: which class comes out.
        def __new__(cls, **fields: Any) -> T: ...  # type: ignore[misc]  # noqa: D102 - a call creates
        @classmethod
        def build(cls, **fields: Any) -> T: ...  # noqa: D102
        @classmethod
        def build_batch(cls, size: int, **fields: Any) -> list[T]: ...  # noqa: D102

    @classmethod
    @profiled("create")
    def create(cls, **fields: Any) -> T:
        """Create a row, and the parents that it needs, through the test's session."""
        made: T = cls._generate("create", fields)
        return made

    @classmethod
    @profiled("batch")
    def create_batch(cls, size: int, **fields: Any) -> list[T]:
        """Create several rows, written together."""
        made = []
        with calling() as call:
            for _ in range(size):
                call.element = True
                made.append(cls.create(**fields))
        return made

    @classmethod
    def payload(cls, **fields: Any) -> dict[str, Any]:
        """Return the body of a request that makes such a row, of types that JSON has.

        It holds what the factory declares, what the model needs and has no default for, and
        ``fields``; of a parent among these the foreign key. No parent is made for it.
        """
        with without_hooks():
            return payload_of(cls, fields)

    @classmethod
    @profiled("bulk")
    def bulk(cls, size: int, **fields: Any) -> list[Any]:
        """Insert many rows by one statement, and return their primary keys in order.

        The rows share the parents that they need, but for those that may have one child only; no
        hook runs. A key of several columns is a tuple.
        """
        with calling() as call:
            session = session_of(cls)
            call.settle(session, cls._persistence())
            return insert_rows(cls, session, size, fields)

    @classmethod
    @profiled("create")
    def get_or_create(cls, **fields: Any) -> T:
        """Return the row that has this natural key, or create it.

        The key is ``Meta.sqlalchemy_get_or_create``, else the unique constraint whose columns are
        all given. Where somebody else inserts the row meanwhile, theirs is returned; nothing that
        the session did before is rolled back. Raises TK408 without a key.
        """
        with calling() as call:
            session = session_of(cls)
            call.settle(session, cls._persistence())
            meta: Any = cls._meta
            if meta.sqlalchemy_get_or_create:
                return cls.create(**fields)
            session.add_all(each for each in fields.values() if is_pending(each))
            session.flush()  # the key of a parent
            key = natural_key(cls, fields)
            found: T | None = find(session, cls, key)
            if found is None:
                found = inserted_or_found(session, cls, key, lambda: cls.create(**fields))
        return found

    @classmethod
    async def acreate(cls, **fields: Any) -> T:
        """Create a row through the test's AsyncSession, its parents in the same one.

        Tasks that create through one session at once take turns.
        """
        made: T = await cls._in_async(lambda: cls.create(**fields))
        return made

    @classmethod
    async def acreate_batch(cls, size: int, **fields: Any) -> list[T]:
        """Create several rows likewise, written together."""
        made: list[T] = await cls._in_async(lambda: cls.create_batch(size, **fields))
        return made

    @classmethod
    async def abulk(cls, size: int, **fields: Any) -> list[Any]:
        """Insert many rows by one statement, likewise."""
        keys: list[Any] = await cls._in_async(lambda: cls.bulk(size, **fields))
        return keys

    @classmethod
    async def aget_or_create(cls, **fields: Any) -> T:
        """Return the row that has this natural key, or create it, likewise."""
        found: T = await cls._in_async(lambda: cls.get_or_create(**fields))
        return found

    @classmethod
    def default(cls, parent: T) -> AbstractContextManager[None]:
        """Let nested factories take this row wherever they would make one of its model."""
        return reusing(cls._meta.model, parent)

    @classmethod
    async def _in_async(cls, call: Callable[[], Any]) -> Any:
        # SQLAlchemy's half for asyncio needs greenlet, which synchronous projects may not have.
        from testkit.factories.async_sessions import async_session_of, one_at_a_time  # noqa: PLC0415 - see above

        session = async_session_of(cls)
        async with one_at_a_time(session):
            return await session.run_sync(lambda inner: _called(cls, inner, call))

    @classmethod
    def _generate(cls, strategy: str, params: dict[str, Any]) -> Any:
        meta: Any = cls._meta
        if meta.abstract:
            return super()._generate(strategy, params)  # type: ignore[no-untyped-call]  # factory-boy's
        cls._original_params = params
        if strategy != "create":
            return cls._made(strategy, params)
        inner = call_now() is not None
        with calling() as call:
            call.single = call.single or not inner
            element, call.element = call.element, False
            if not inner or element:
                return cls._made(strategy, params)
            call.inner += 1
            try:
                made = cls._made(strategy, params)
                call.flush()  # whoever wants it in the middle of something reads its key
            finally:
                call.inner -= 1
        return made

    @classmethod
    def _made(cls, strategy: str, params: dict[str, Any]) -> Any:
        meta: Any = cls._meta
        try:
            return Builder(meta, params, strategy).build()  # type: ignore[no-untyped-call]  # factory-boy's
        except InvalidDeclarationError as error:
            roots = {name: name.split("__")[0] for name in params if "__" in name}
            declared = {*meta.pre_declarations, *meta.post_declarations}
            wrong = [name for name, root in roots.items() if root not in declared]
            if not wrong:
                raise
            raise unknown_attribute(
                cls.__name__, min(wrong), meta.known, meta.model.__name__
            ) from error

    @classmethod
    def _build(cls, model_class: type[T], *args: Any, **fields: Any) -> T:  # noqa: ARG003 - factory-boy's
        meta: Any = cls._meta
        made: T = meta.construct(args, fields)
        fill_keys(made, fields, meta.shape.parents)
        return made

    @classmethod
    def _create(cls, model_class: type[T], *args: Any, **fields: Any) -> T:
        meta: Any = cls._meta
        with calling() as call:
            session, step = session_of(cls), step_now()
            is_part = step is not None and step.parent_step is not None
            (call.uses if is_part else call.settle)(session, cls._persistence())
            for link in meta.shape.parents:
                if link.name is not None and fields.get(link.name) is not None:
                    given = fields[link.name]
                    fields[link.name] = own_copy(session, cls.__name__, link.name, given)
            if meta.sqlalchemy_get_or_create:
                key = natural_key(cls, fields)
                found: T | None = find(session, cls, key)
                if found is None:
                    found = inserted_or_found(
                        session, cls, key, lambda: cls._save(model_class, session, args, fields)
                    )
            else:
                found = cls._save(model_class, session, args, fields)
            if step is not None and cls._meta.post_declarations.declarations:
                # Hooks read the key, or let the application work on the row.
                (call.write if call.single and not is_part else call.flush)()
            elif is_part and None in key_of(found) and looks_at_rows(step):
                call.flush()
        return found

    @classmethod
    def _save(
        cls, model_class: type[T], session: Session, args: tuple[Any, ...], fields: dict[str, Any]
    ) -> T:
        made = cls._build(model_class, *args, **fields)
        with calling() as call:
            call.add(session, made)
        return made

    @classmethod
    def note_hooks(cls) -> None:
        """Let what post-generation hooks did be written too."""
        with calling() as call:
            call.uses(session_of(cls), cls._persistence())

    @classmethod
    def root_class(cls) -> Any:
        """Return the class that derived factories derive from."""
        return next(each for each in cls.__mro__ if "_root" in vars(each))

    @classmethod
    def builds_itself(cls) -> bool:
        """Return whether nobody replaced the constructor, and with it what names are."""
        return all(
            getattr(cls, name).__func__ is getattr(Factory, name).__func__
            for name in ("_build", "_create", "_save", "_adjust_kwargs")
        )

    @classmethod
    def _persistence(cls) -> str | None:
        meta: Any = cls._meta
        chosen: str | None = meta.sqlalchemy_session_persistence
        return chosen


def _called(factory: Any, session: Session, call: Callable[[], Any]) -> Any:
    with in_session(factory, session):
        return call()
