"""A delivery: one message to one webhook, until it is taken or given up."""

from datetime import datetime, timedelta
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from orchestrator.webhook import REVEALED, Webhook, WebhookEvent, WebhookRetry


class Delivery(BaseModel):
    """What is kept of it. The same id and body go out with every attempt, so that a receiver knows a repetition."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str
    run_id: str
    event: WebhookEvent
    webhook: Webhook
    body: str
    created: AwareDatetime
    attempts: int = 0
    next_attempt: AwareDatetime | None
    """None: it was given up."""
    given_up: AwareDatetime | None = None
    error: str | None = None
    """Why the last attempt failed."""

    def failed(self, now: datetime, error: str, retry: WebhookRetry, chance: float, wait_seconds: float) -> Self:
        """After one more attempt: later again, or given up after the last one."""
        attempts = self.attempts + 1
        if attempts >= retry.max_attempts:
            return self.ended(now, error)
        seconds = max(retry.delay(attempts, chance), min(wait_seconds, retry.max_seconds))
        changes = {"attempts": attempts, "error": error, "next_attempt": now + timedelta(seconds=seconds)}
        return self.model_copy(update=changes)

    def ended(self, now: datetime, error: str) -> Self:
        """Given up."""
        changes = {"attempts": self.attempts + 1, "error": error, "next_attempt": None, "given_up": now}
        return self.model_copy(update=changes)

    def renewed(self, now: datetime) -> Self:
        """To be tried now, with all its attempts."""
        return self.model_copy(update={"attempts": 0, "next_attempt": now, "given_up": None})

    def stored(self) -> str:
        """As Redis keeps it, its secret too."""
        return self.model_dump_json(context=REVEALED)
