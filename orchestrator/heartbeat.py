"""Renews the leases of this process from a thread of its own, whatever the event loop is doing."""

import logging
import threading
from types import TracebackType
from typing import Self

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from orchestrator.queue_scripts import TOUCH
from orchestrator.run_queue import Lease

BEAT_SECONDS = 0.7
_ANSWER_SECONDS = 2.0
_LOG = logging.getLogger(__name__)


class Heartbeat:
    """A context manager: inside it, what is held is renewed every `BEAT_SECONDS`.

    A lease that somebody else has taken is left to them; one that is over and that nobody took is renewed.
    """

    def __init__(self, url: str, worker: str) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS, retry=Retry(NoBackoff(), 0)
        )
        self._worker = worker
        self._touch = self._redis.register_script(TOUCH)
        self._leases: set[Lease] = set()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()
        self._redis.close()

    @property
    def held(self) -> list[Lease]:
        """The leases that are renewed."""
        return list(self._leases)

    def hold(self, lease: Lease) -> None:
        """Renew this lease from now on."""
        self._leases.add(lease)

    def release(self, lease: Lease) -> None:
        """Renew it no longer."""
        self._leases.discard(lease)

    def _beat(self) -> None:
        while not self._is_over.wait(BEAT_SECONDS):
            if leases := self.held:
                try:
                    self._touch(
                        keys=[lease.lane for lease in leases], args=[self._worker, 0, *(lease.id for lease in leases)]
                    )
                except RedisError as error:
                    _LOG.warning("the leases of %d runs were not renewed: %s", len(leases), error)
