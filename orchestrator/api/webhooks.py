"""Deliveries to webhooks over HTTP: those that were not taken yet, or were given up."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from orchestrator.api.injection import ServiceDependency
from orchestrator.delivery import Delivery

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])


class DeliveryPage(BaseModel):
    """Given up deliveries, the newest first; then those that wait."""

    deliveries: list[Delivery]


@router.get("")
async def list_deliveries(service: ServiceDependency, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> DeliveryPage:
    """What was not taken; `given_up` tells dead letters from what is tried again."""
    return DeliveryPage(deliveries=await service.deliveries.latest(limit))


@router.post("/{delivery_id}/retry")
async def retry_delivery(delivery_id: str, service: ServiceDependency) -> Delivery:
    """Try a delivery now, with all its attempts."""
    return await service.deliveries.retry(delivery_id, datetime.now(UTC))
