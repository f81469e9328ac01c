"""The end of a run that somebody does not want any more, whoever executes it and whoever asks for it."""

from orchestrator.delivery_store import DeliveryStore
from orchestrator.run import Run
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore


class Cancellation:
    """Cancels runs from any process that reaches Redis. Raises RedisUnavailableError."""

    def __init__(self, runs: RunStore, queue: RunQueue, deliveries: DeliveryStore) -> None:
        self._runs, self._queue, self._deliveries = runs, queue, deliveries

    async def cancel(self, run_id: str, reason: str) -> Run:
        """End the run as cancelled; its worker finds the record. Raises RunNotFoundError, RunEndedError."""
        run = await self._runs.cancel(run_id, reason)
        await self._queue.wake(run_id)
        # its entry may wait for long until a worker takes it
        await self._deliveries.announce(run_id)
        return run
