"""The class that consumers of the events derive from.

Redis brings the events quickly, Postgres says which there are and which are done. See
``docs/control-center.md``, "Subscribers", for an example and the guarantees.
"""

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.events.subscribing.delivery import Delivery
from cos.events.subscribing.facts import SubscriberFacts
from cos.events.subscribing.failure import Unprocessable
from cos.events.subscribing.subscriber_run import SubscriberRun
from cos.events.subscribing.subscriber_settings import SubscriberSettings

__all__ = ["Delivery", "Subscriber", "SubscriberSettings", "Unprocessable"]


class Subscriber(ABC):
    """Handles every event once, those of one module in order.

    A subclass names its ``group`` and says in `handle` what to do. Any number of processes and
    tasks may run subscribers of one group; they share the events. ``start`` says where a group
    begins at its very first start: with the events committed after it, or with all that are
    retained. ``facts`` are its counts; ``ready`` is set while it reads, everything older in hand.
    """

    group: ClassVar[str]
    start: ClassVar[Literal["now", "beginning"]] = "now"
    default_settings: ClassVar[SubscriberSettings] = SubscriberSettings()

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        redis: Redis,
        *,
        settings: SubscriberSettings | None = None,
    ) -> None:
        """Use sessions and client of the caller, who closes them after `run`.

        The pool behind ``sessions`` needs a connection for each of ``settings.concurrency`` and two
        more; the client has to wait for an answer longer than ``settings.block``.
        """
        self.settings = settings or self.default_settings
        self.facts = SubscriberFacts()
        self.ready = asyncio.Event()
        self._reconcile = asyncio.Event()
        self._sessions = sessions
        self._redis = redis

    @abstractmethod
    async def handle(self, delivery: Delivery) -> None:
        """Handle an event; a return is success, an exception a failed attempt.

        Nobody else handles an event of the same module meanwhile, in any process. Raise
        `Unprocessable` where no further attempt would help. The session is committed afterwards,
        together with the progress; use ``begin_nested`` for a part that may fail.
        """

    def reconcile(self) -> None:
        """Have the running subscriber look for events that no stream brought, without waiting."""
        self._reconcile.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; a lost Redis or Postgres is waited for.

        Then what is being handled has ``settings.grace`` seconds to end, and is cancelled after
        that. What is not done is given back, for others to take at once. One call at a time.
        """
        run = SubscriberRun(
            self.group,
            self.handle,
            start=self.start,
            sessions=self._sessions,
            redis=self._redis,
            settings=self.settings,
            facts=self.facts,
            ready=self.ready,
            reconcile=self._reconcile,
        )
        await run.until(stop)
