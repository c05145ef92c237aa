"""The declarative base of every model."""

import uuid
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import DateTime, MetaData, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase

from cos.db.defaults import with_defaults_at_construction

__all__ = ["Base"]


class Document(JSONB):
    """``jsonb`` whose None is SQL NULL, also where the column has a default.

    SQLAlchemy's own switches exclude each other: it stores the JSON value ``null`` for an explicit
    None, or it does not tell it from no value and evaluates the default.
    """

    cache_ok = True
    should_evaluate_none = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)


@with_defaults_at_construction
class Base(DeclarativeBase):
    """Base of every model.

    Constraints and indexes have predictable names, so that migrations and services can refer to
    them. A dictionary is a `Document`, and a change of one of its top-level keys is noticed. A new
    object has its Python-side defaults at construction (`cos.db.defaults`).
    """

    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        uuid.UUID: Uuid(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: MutableDict.as_mutable(Document()),
    }
