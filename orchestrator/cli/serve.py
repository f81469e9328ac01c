"""`ccoe serve`: the HTTP API until Ctrl-C or SIGTERM."""

import logging
import os
from typing import Annotated, cast

import typer

from orchestrator.cli.interruption import run_to_end
from orchestrator.data_directory import Announcement, announce, served_alone
from orchestrator.expert_host import OpenExperts
from orchestrator.http_server import HttpServer
from orchestrator.listening_socket import listening_socket, url_of
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings

app = typer.Typer()


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; CCOE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for any free one; CCOE_PORT.")] = None,
) -> None:
    """Serve the HTTP API. One service per data directory."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    run_to_end(_serve(read_settings(host=host, port=port), cast(OpenExperts, context.obj)))


async def _serve(settings: Settings, open_experts: OpenExperts) -> None:
    async with served_alone(settings.data_dir) as data_dir:
        with listening_socket(settings.host, settings.port) as bound:
            url = url_of(bound)
            announce(data_dir, Announcement(pid=os.getpid(), url=url))
            typer.echo(f"loading the experts; {url} answers when they are there", err=True)
            async with Service.open(settings, open_experts) as service:
                typer.echo(f"serving at {url}")
                await HttpServer(service).serve(sockets=[bound])
