"""`ccoe serve`: the HTTP API until Ctrl-C or SIGTERM."""

import logging
import os
import secrets
from typing import Annotated, cast

import typer

from orchestrator.api_key import KeyPolicy
from orchestrator.api_key_store import ApiKeyStore
from orchestrator.auth import Auth
from orchestrator.cli.interruption import run_to_end
from orchestrator.data_directory import Announcement, announce, served_alone
from orchestrator.expert_host import OpenExperts
from orchestrator.http_server import HttpServer
from orchestrator.key_errors import UnprotectedError
from orchestrator.keys import Keys
from orchestrator.listening_socket import is_loopback, listening_socket, url_of
from orchestrator.redis_connection import redis_connection
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings

app = typer.Typer(add_completion=False)


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
            policy = await _key_policy(settings, is_public=not is_loopback(bound))
            url, token = url_of(bound), secrets.token_hex(32)
            announce(data_dir, Announcement(pid=os.getpid(), url=url, token=token))
            typer.echo(f"loading the experts; {url} answers when they are there", err=True)
            async with Service.open(settings, open_experts) as service:
                typer.echo(f"serving at {url}")
                await HttpServer(service, Auth(service.api_keys, policy, token)).serve(sockets=[bound])


async def _key_policy(settings: Settings, *, is_public: bool) -> KeyPolicy:
    """What a key is needed for. Raises UnprotectedError if other machines need one and there is none."""
    policy = settings.require_key or ("all" if is_public else "experts")
    if is_public and policy != "all":
        typer.echo(f"warning: other machines can reach {settings.host}; CCOE_REQUIRE_KEY is {policy}", err=True)
    elif is_public:
        async with redis_connection(settings) as redis:
            if not await ApiKeyStore(redis, Keys(settings.tenant)).list():
                raise UnprotectedError(settings.host)
    return policy
