"""A program runs to its end, or is held back."""

import ctypes
import socket
from pathlib import Path

import pytest

from experts import sandbox
from experts.sandbox import SandboxLimits, passes, run_program

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
    assert passes(program, SandboxLimits(max_seconds=1)) == does_pass


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


@pytest.mark.parametrize(
    ("program", "output", "fault"),
    [
        ("print(6 * 7)", "42\n", None),
        ("print('ä')", "ä\n", None),
        ("print(1)\nraise SystemExit", "1\n", None),
        ("import decimal, json, statistics\nprint(json.dumps(str(decimal.Decimal('0.1') * 3)))", '"0.3"\n', None),
        ("print(1 / 0)", None, "ZeroDivisionError: division by zero"),
        ("print('a' * 2_000)", None, "it printed more than 1000 bytes"),
        ("while True:\n    print('a')", None, "it printed more than 1000 bytes"),
        ("while True:\n    pass", None, "it took longer than 1 s"),
        ("import time\ntime.sleep(60)", None, "it took longer than 1 s"),
    ],
)
def test_what_a_program_printed_and_why_it_failed(program: str, output: str | None, fault: str | None) -> None:
    ended = run_program(program, SandboxLimits(max_seconds=1, max_output_bytes=1_000))
    assert output is None or ended.output == output
    assert len(ended.output) <= 1_000
    assert (ended.fault or "").startswith(fault or "") and (ended.fault is None) == (fault is None)


@pytest.mark.parametrize(
    "reading",
    [
        "open({path!r}).read()",
        "open({path!r}.encode()).read()",
        "open('../' * 40 + {path!r}).read()",
        "open('/proc/self/environ').read()",
        "import os\nos.open({path!r}, 0)",
        "import os\nos.listdir({folder!r})",
    ],
)
def test_files_of_the_user_are_not_read(reading: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    ended = run_program(reading.format(path=str(tmp_path / "key"), folder=str(tmp_path)), SandboxLimits())
    assert "PermissionError" in (ended.fault or "")


# what a program does that has found a way around the hook: the hook is taken out of the guard, the kernel remains
@pytest.mark.parametrize(
    "program",
    [
        "open({path!r}).read()",
        "open({path!r}, 'w')",
        "import os\nos.kill(os.getppid(), 0)",
        "import os\nos.execv('/bin/true', ['true'])",
        "import socket\nsocket.create_connection(('127.0.0.1', 1), 1)",
    ],
)
def test_the_kernel_refuses_what_gets_past_the_hook(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) < 6:
        pytest.skip("this kernel has no Landlock, or one without signals")
    monkeypatch.setattr(sandbox, "GUARD", sandbox.GUARD.replace("sys.addaudithook(refuse)\n", ""))
    (tmp_path / "key").write_text("secret")
    ended = run_program(program.format(path=str(tmp_path / "key")), SandboxLimits())
    assert not ended.is_whole
    assert "PermissionError" in (ended.fault or "") or "Network is unreachable" in (ended.fault or "")
    assert (tmp_path / "key").read_text() == "secret"
