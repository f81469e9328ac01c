"""A program runs to its end, or is held back."""

import socket
from pathlib import Path

import pytest

from experts.training.sandbox import passes

ADD = "def add(a, b):\n    return a + b\n"


@pytest.mark.parametrize(
    ("program", "does_pass"),
    [
        (ADD + "assert add(1, 2) == 3", True),
        ("import math, re, collections\nassert math.gcd(4, 6) == 2 and re.match('a', 'a')", True),
        ("print('a' * 100_000)", True),
        (ADD + "assert add(1, 2) == 4", False),
        ("def add(a, b) return a", False),
        ("while True:\n    pass", False),
        ("import time\ntime.sleep(60)", False),
        ("wide = 'x' * 10**10", False),
        ("raise SystemExit(0)\nassert False", False),
        ("import os\nos._exit(0)", False),
    ],
)
def test_a_program_that_ends_well_within_its_limits_passes(program: str, does_pass: bool) -> None:
    assert passes(program, max_seconds=1) == does_pass


@pytest.mark.parametrize(
    "program",
    [
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nos.system('true')",
        "import os\nos.fork()",
        "import os\nos.kill(os.getppid(), 9)",
        "import ctypes\nctypes.CDLL(None)",
        "import shutil\nshutil.rmtree('nothing')",
        "open('left', 'w')",
        "import os\nos.open('left', os.O_CREAT | os.O_WRONLY)",
        "import os\nos.remove('left')",
    ],
)
def test_a_program_that_reaches_out_does_not(program: str) -> None:
    assert not passes(program)


def test_a_file_is_not_written(tmp_path: Path) -> None:
    assert not passes(f"open({str(tmp_path / 'left')!r}, 'w').write('x')")
    assert passes(f"try:\n    open({str(tmp_path / 'left')!r}, 'w')\nexcept PermissionError:\n    pass")
    assert not (tmp_path / "left").exists()


def test_nobody_is_called() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        call = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)"
        assert not passes(call)
        with pytest.raises(BlockingIOError):
            server.accept()
