"""A process that uses the embedded Valkey of a directory until its standard input is closed."""

import asyncio
import sys
from pathlib import Path

from orchestrator.embedded_valkey import EmbeddedValkey


async def main(data_dir: Path) -> None:
    async with EmbeddedValkey(data_dir):
        sys.stdout.write("up\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
