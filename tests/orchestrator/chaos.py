"""`make chaos`: the whole crash matrix, with a given plan and without, and a chaos run, as one table.

The matrix is gone through twice: the worker is killed, then Valkey.

Exit code 1 if a promise was broken.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from orchestrator.redis_connection import redis_connection
from orchestrator.run import RunStatus
from orchestrator.settings import read_settings
from tests.orchestrator.chaos_run import Chaos, ChaosOutcome
from tests.orchestrator.crash_matrix import Outcome, crash_matrix, valkey_matrix

NUM_RUNS = 200


def table_of(outcomes: Sequence[Outcome], of_valkey: Sequence[Outcome], chaos: ChaosOutcome) -> Table:
    """A row for each kind of command, one for all of them, one for Valkey, one for the chaos run."""
    table = Table("killed at", "kills", "lost", "committed twice", "done again", "no success", "not told", box=None)
    for command in dict.fromkeys(outcome.command for outcome in outcomes):
        _add_row(table, command, [outcome for outcome in outcomes if outcome.command == command])
    _add_row(table, "all commands", outcomes)
    _add_row(table, "all commands, Valkey", of_valkey)
    kills = chaos.num_killed_workers + chaos.num_killed_valkeys
    num_failed = chaos.num_runs - chaos.statuses[RunStatus.SUCCESS]
    figures = (kills, chaos.lost, chaos.committed_twice, chaos.done_again, num_failed)
    name = f"chaos: {chaos.num_runs} runs, {chaos.num_killed_workers} workers and {chaos.num_killed_valkeys} Valkeys"
    table.add_row(name, *map(str, figures), "")
    return table


def _add_row(table: Table, name: str, outcomes: Sequence[Outcome]) -> None:
    figures = (
        sum(outcome.was_killed for outcome in outcomes),
        sum(outcome.lost for outcome in outcomes),
        sum(outcome.committed_twice for outcome in outcomes),
        sum(outcome.done_again for outcome in outcomes),
        sum(outcome.status != "success" for outcome in outcomes),
        sum(not outcome.is_told for outcome in outcomes),
    )
    table.add_row(name, *map(str, figures))


async def _main() -> bool:
    with tempfile.TemporaryDirectory(prefix="ccoe-chaos-") as folder:
        os.environ["CCOE_DATA_DIR"] = folder
        os.environ.pop("REDIS_URL", None)
        async with redis_connection(read_settings()) as redis:
            outcomes = await crash_matrix(redis, Path(folder))
            outcomes += await crash_matrix(redis, Path(folder), kind="planned")
        of_valkey = await valkey_matrix(Path(folder))
        of_valkey += await valkey_matrix(Path(folder), kind="planned")
        chaos = await Chaos(Path(folder), NUM_RUNS).run()
    Console(width=120).print(table_of(outcomes, of_valkey, chaos))
    return chaos.is_right and all(outcome.is_right for outcome in (*outcomes, *of_valkey))


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(_main()) else 1)
