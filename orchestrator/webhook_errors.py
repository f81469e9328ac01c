"""Errors about webhooks.

ServiceError                   orchestrator/errors.py
├── DeliveryNotFoundError      no such delivery, or it was taken
└── DeliveryFailedError        the receiver has not taken it
"""

from orchestrator.errors import ServiceError


class DeliveryNotFoundError(ServiceError):
    """No such delivery: it was taken by the receiver, or its time to live is over."""

    status = 404
    type = "delivery_not_found"

    def __init__(self, delivery_id: str) -> None:
        super().__init__(
            f"there is no delivery {delivery_id!r} that has not been taken",
            "list them: ccoe webhooks list, or GET /api/webhooks",
        )
        self.delivery_id = delivery_id


class DeliveryFailedError(ServiceError):
    """The receiver has not taken a delivery; `is_final`: and will not."""

    status = 502
    type = "delivery_failed"

    def __init__(self, reason: str, *, is_final: bool = False, wait_seconds: float = 0.0) -> None:
        super().__init__(reason, "look at the receiver, then: ccoe webhooks retry")
        self.is_final = is_final
        self.wait_seconds = wait_seconds
        """For how long the receiver asks not to be asked again."""
