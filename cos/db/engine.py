"""Engines on the configured database."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlalchemy import URL, Engine, NullPool, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cos.db.liveness import with_tried_connections
from cos.db.measured_pool import MeasuredPool
from cos.settings import DatabaseSettings

__all__ = ["migration_engine", "service_engine"]

# A peer that vanishes without closing is noticed after 30 + 3 x 5 s while a connection is idle, and
# after 20 s while data waits for its acknowledgement.
KEEPALIVE: Final = {
    "keepalives_idle": "30",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def service_engine(
    settings: DatabaseSettings, *, parameters: Mapping[str, str] = NOTHING
) -> AsyncEngine:
    """Return the engine of the service; nothing connects yet.

    ``parameters`` are further ones of Postgres that its sessions begin with.

    The pool is bounded: a caller waits ``database_pool_timeout`` for a connection and then gets
    `sqlalchemy.exc.TimeoutError`. A pooled connection is tried before it is handed out, so a
    restarted server costs no request (`cos.db.liveness`). Parameters never appear in logs or
    exceptions.
    """
    engine = create_async_engine(
        _url(
            settings,
            application="cos",
            statement_timeout=settings.statement_timeout,
            parameters=parameters,
        ),
        poolclass=MeasuredPool,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_pool_timeout,
        hide_parameters=True,
        # Looking for a type that no model uses costs a query at the first connection.
        use_native_hstore=False,
    )
    with_tried_connections(engine.sync_engine)
    return engine


def migration_engine(settings: DatabaseSettings) -> Engine:
    """Return a synchronous engine without a pool, for one migration.

    Its statements may take as long as they need; waiting for a lock stays bounded, because a
    migration that queues for a lock makes every later query queue behind it.
    """
    url = _url(settings, application="cos-migrate", statement_timeout=0)
    return create_engine(url, poolclass=NullPool, hide_parameters=True)


def _url(
    settings: DatabaseSettings,
    *,
    application: str,
    statement_timeout: float,
    parameters: Mapping[str, str] = NOTHING,
) -> URL:
    """Return the address with the limits as connection parameters: they cost no round trip.

    Parameters that ``DATABASE_URL`` itself carries win.
    """
    address = settings.sqlalchemy_url
    given_options = address.normalized_query.get("options", ())
    limits = {
        "timezone": "UTC",
        "statement_timeout": _milliseconds(statement_timeout),
        "lock_timeout": _milliseconds(settings.lock_timeout),
        "idle_in_transaction_session_timeout": _milliseconds(settings.idle_in_transaction_timeout),
        **parameters,
    }
    ours = [f"-c {name}={value}" for name, value in limits.items()]
    query = {
        "application_name": application,
        "connect_timeout": str(settings.connect_timeout),
        **KEEPALIVE,
        **address.query,
        # The server takes the last of two values for one name.
        "options": " ".join([*ours, *given_options]),
    }
    return address.set(query=query)


def _milliseconds(seconds: float) -> int:
    # Rounded up: 0 would switch the limit off.
    return -int(-seconds * 1000 // 1)
