"""`ccoe webhooks`: deliveries that were not taken, and secrets. Needs Redis alone; a running service delivers."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.interruption import run_to_end
from orchestrator.cli.live import printable
from orchestrator.delivery import Delivery
from orchestrator.delivery_store import DeliveryStore
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_connection
from orchestrator.settings import read_settings
from orchestrator.webhook import new_secret

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Show and retry what webhooks have not taken.")

_ALL = 1000


@app.command("list")
def list_deliveries(limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50) -> None:
    """Deliveries that were given up, the newest first; then those that are tried again."""
    table = Table("delivery", "created", "attempts", "next", "to", "error", box=None)
    for delivery in run_to_end(_latest(limit)):
        table.add_row(
            delivery.id,
            f"{delivery.created.astimezone():%Y-%m-%d %H:%M:%S}",
            str(delivery.attempts),
            f"{delivery.next_attempt.astimezone():%Y-%m-%d %H:%M:%S}" if delivery.next_attempt else "given up",
            Text(printable(delivery.webhook.url), overflow="fold"),
            Text(printable(delivery.error or ""), overflow="fold"),
        )
    Console(highlight=False).print(table)


@app.command()
def retry(
    delivery: Annotated[str | None, typer.Argument(help="The delivery's id.")] = None,
    all_given_up: Annotated[bool, typer.Option("--all", help="All that were given up, up to 1000.")] = False,
) -> None:
    """Have deliveries tried now, with all their attempts, by a running service or the next one."""
    if all_given_up == (delivery is not None):
        raise typer.BadParameter("name a delivery, or give --all")
    count = run_to_end(_retry(delivery))
    typer.echo(f"{count} deliver{'y is' if count == 1 else 'ies are'} tried again")


@app.command()
def secret() -> None:
    """Print a new secret, for a run's webhook or CCOE_WEBHOOK_SECRET; it is kept nowhere."""
    typer.echo(new_secret())


@asynccontextmanager
async def _store() -> AsyncGenerator[DeliveryStore]:
    settings = read_settings()
    async with redis_connection(settings) as redis:
        yield DeliveryStore(redis, Keys(settings.tenant), settings)


async def _latest(limit: int) -> list[Delivery]:
    async with _store() as store:
        return await store.latest(limit)


async def _retry(delivery_id: str | None) -> int:
    now = datetime.now(UTC)
    async with _store() as store:
        ids = [delivery_id] if delivery_id else [one.id for one in await store.latest(_ALL) if one.given_up]
        for id in ids:
            await store.retry(id, now)
    return len(ids)
