"""The factory base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID, uuid4

from factory.alchemy import SQLAlchemyModelFactory
from sqlalchemy import inspect

from testkit.core.current import current
from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapper, Session

__all__ = ["Factory"]

T = TypeVar("T")


def _session() -> Session:
    assert current.session is not None  # _create looks first
    session: Session = current.session()
    return session


class Factory(SQLAlchemyModelFactory, Generic[T]):
    """factory-boy's SQLAlchemy factory, bound to the running test.

    ``create`` adds the object to the test's ``db_session`` (a user's own fixture of that name wins)
    and commits, so that the application under test sees the row on its own connections; the
    isolation undoes it. Fields that are not declared come from the model's defaults; a UUID primary
    key is a real ``uuid.UUID`` also after ``build``. Raises TK401 outside a test.

        class ModuleFactory(Factory[Module]):
            class Meta:
                model = Module

            name = Unique("module")
    """

    class Meta:  # noqa: D106 - factory-boy's
        abstract = True
        sqlalchemy_session_factory = _session
        sqlalchemy_session_persistence = "commit"

    if TYPE_CHECKING:
        # What factory-boy's own annotations do not say: which class comes out.
        @classmethod
        def build(cls, **fields: Any) -> T: ...  # noqa: D102
        @classmethod
        def create(cls, **fields: Any) -> T: ...  # noqa: D102
        @classmethod
        def build_batch(cls, size: int, **fields: Any) -> list[T]: ...  # noqa: D102
        @classmethod
        def create_batch(cls, size: int, **fields: Any) -> list[T]: ...  # noqa: D102

    @classmethod
    def _build(cls, model_class: type[T], *args: Any, **fields: Any) -> T:
        return _with_key(model_class(*args, **fields), fields)

    @classmethod
    def _create(cls, model_class: type[T], *args: Any, **fields: Any) -> T:
        meta: Any = cls._meta
        if current.session is None and meta.sqlalchemy_session_factory is _session:
            raise TestkitError("TK401", factory=cls.__name__)
        # factory-boy carries few types
        created: T = super()._create(model_class, *args, **fields)  # type: ignore[no-untyped-call]
        return created

    @classmethod
    def _save(
        cls, model_class: type[T], session: Session, args: tuple[Any, ...], fields: dict[str, Any]
    ) -> T:
        made = _with_key(model_class(*args, **fields), fields)
        session.add(made)
        if current.session is not None:
            current.made.append(made)
        meta: Any = cls._meta
        match meta.sqlalchemy_session_persistence:
            case "commit":
                session.commit()
            case "flush":
                session.flush()
        return made


def _with_key(made: T, given: dict[str, Any]) -> T:
    """Give the object a UUID primary key where nobody else will: no argument, no default."""
    mapper: Mapper[Any] = inspect(type(made))
    for column in mapper.primary_key:
        name = mapper.get_property_by_column(column).key
        ours = _is_uuid(column.type) and not column.foreign_keys and not column.server_default
        if ours and name not in given and getattr(made, name) is None:
            setattr(made, name, uuid4())
    return made


def _is_uuid(column_type: Any) -> bool:
    try:
        return bool(column_type.python_type is UUID)
    except NotImplementedError:
        return False
