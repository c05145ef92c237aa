"""The client of the configured Redis."""

from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from cos.settings import Settings

__all__ = ["service_redis"]

# redis-py 8 retries ten times by default: a minute of silence with a server that does not answer.
RETRIES: Final = 1


def service_redis(settings: Settings) -> Redis:
    """Return a client with a bounded pool, timeouts and retries; nothing connects yet.

    A command takes at most ``(RETRIES + 1) * redis_timeout`` plus the back-off. ``aclose`` closes
    the pool with it. Parameters that ``REDIS_URL`` itself carries win.
    """
    pool = BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=settings.redis_pool_size,
        timeout=settings.redis_timeout,
        socket_timeout=settings.redis_timeout,
        socket_connect_timeout=settings.redis_timeout,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), retries=RETRIES),
        client_name="cos",
    )
    return Redis.from_pool(pool)
