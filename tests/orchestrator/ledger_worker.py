"""A process that executes runs with ledger experts until SIGTERM: `ledger_worker LEDGER SECONDS`."""

import asyncio
import signal
import sys
from pathlib import Path

from orchestrator.service import Service
from orchestrator.settings import read_settings
from tests.orchestrator.ledger_experts import open_ledger_experts


async def main(ledger: Path, seconds: float) -> None:
    is_over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, is_over.set)
    async with Service.open(read_settings(), open_ledger_experts(ledger, seconds)) as service:
        sys.stdout.write(f"up {service.worker_id}\n")
        sys.stdout.flush()
        await is_over.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
