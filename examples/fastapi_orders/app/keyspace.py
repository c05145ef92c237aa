"""What the service keeps in Redis: a counter, a cache, a limit per customer, a stream of events."""

from typing import Any

import redis

from app import settings

client = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)

PLACED = "orders:placed"
EVENTS = "orders:events"


def count_placed() -> int:
    """Count one more order and answer its number."""
    return int(client.incr(PLACED))


def placed() -> int:
    return int(client.get(PLACED) or 0)


def within_limit(email: str) -> bool:
    """Count an attempt of this customer; false past the limit."""
    return int(client.incr(f"limit:{email}")) <= settings.ORDERS_PER_CUSTOMER


def cached(order_id: int) -> str | None:
    return client.get(f"order:{order_id}")


def cache(order_id: int, body: str) -> None:
    client.set(f"order:{order_id}", body, ex=60)


def forget(order_id: int) -> None:
    client.delete(f"order:{order_id}")


def record(kind: str, reference: str) -> None:
    """Append to the stream, and tell whoever listens now."""
    client.xadd(EVENTS, {"kind": kind, "reference": reference}, maxlen=settings.EVENTS_KEPT)
    client.publish(EVENTS, f"{kind} {reference}")


def events() -> list[dict[str, Any]]:
    return [fields for _, fields in client.xrange(EVENTS)]
