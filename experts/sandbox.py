"""Runs a program that an expert wrote: to see whether it passes its tests, or for what it prints.

A process of its own without files to write, network or other programs, and without any file to read but Python's own.
Before the program runs come limits of the system, Landlock and a network namespace with nothing in it where the
kernel has them (Linux 5.13; https://docs.kernel.org/userspace-api/landlock.html), and an audit hook that refuses.
Without Landlock that holds back programs that are wrong, not an attacker who knows the interpreter's inside.
"""

import signal
import subprocess
import sys
from dataclasses import dataclass
from tempfile import TemporaryDirectory, TemporaryFile

GUARD = """
import ctypes, os, resource, struct, sys
limits = {{"CPU": {max_seconds}, "AS": {max_bytes}, "FSIZE": {max_output_bytes}, "CORE": 0, "NOFILE": 32}}
for name, value in limits.items():
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
readable = tuple(map(os.path.realpath, (os.path.dirname(os.__file__), "/lib", "/lib64", "/usr/lib")))
system = ctypes.CDLL(None)
system.unshare(0x10000000 | 0x40000000)  # CLONE_NEWUSER, CLONE_NEWNET; where it may not, the hook remains
version = system.syscall(444, None, ctypes.c_size_t(0), 1)  # landlock_create_ruleset
if version > 0:
    files = {{1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}}.get(version, 0xFFFF)
    rules = struct.pack("QQQ", files, 3 if version > 3 else 0, 3 if version > 5 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    landlock = system.syscall(444, rules, ctypes.c_size_t(size), 0)
    for path in (*readable, "/etc/ld.so.cache"):
        if os.path.exists(path):
            place = os.open(path, os.O_PATH)
            reads = 0xC if os.path.isdir(path) else 0x4  # READ_FILE, READ_DIR
            system.syscall(445, landlock, 1, struct.pack("=Qi", reads, place), 0)
            os.close(place)
    system.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    system.syscall(446, landlock, 0)  # landlock_restrict_self
    os.close(landlock)
def refuse(event, arguments, real=os.path.realpath, open_modes=frozenset("wax+"), denied=frozenset({denied!r})):
    is_open = event == "open"
    writes = is_open and (isinstance(arguments[1], str) and open_modes & set(arguments[1]) or arguments[2] & 3)
    reads = is_open or event == "os.listdir" or event == "os.scandir"
    elsewhere = reads and not isinstance(arguments[0], int) and not os.fsdecode(real(arguments[0])).startswith(readable)
    if writes or elsewhere or event.partition(".")[0] in denied or event in denied:
        raise PermissionError(event + " is not allowed here")
program = compile(sys.stdin.read(), "<answer>", "exec")
import math, re, itertools, collections, functools, heapq, bisect, string, operator, cmath, copy, random, datetime
sys.addaudithook(refuse)
del refuse
exec(program, {{"__name__": "__main__"}})
sys.stdout.flush()
os._exit({finished})
"""
_DENIED = (
    "socket subprocess ctypes shutil webbrowser ftplib smtplib urllib http signal os.system os.exec os.fork os.forkpty "
    "os.posix_spawn os.spawn os.kill os.killpg os.remove os.rename os.rmdir os.mkdir os.chmod os.chown os.link "
    "os.symlink os.truncate os.putenv os.unsetenv os.chdir pty.spawn sys.settrace sys.setprofile gc.get_objects"
).split()
_FINISHED = 87
"""Exit code of a program that came to its end; one that ends itself before its tests has another."""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What a program may use."""

    max_seconds: int = 5
    """Of the processor; of the clock twice as many."""
    max_bytes: int = 512 * 2**20
    """Of memory."""
    max_output_bytes: int = 2**20
    """Printed; files cannot be written at all."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended: what it printed, and why it did not end well."""

    output: str
    fault: str | None
    is_whole: bool
    """It came to its last line."""


def run_program(program: str, limits: SandboxLimits) -> Ended:
    """Run a program to its end or its limits."""
    guard = GUARD.format(
        denied=_DENIED,
        finished=_FINISHED,
        max_seconds=limits.max_seconds,
        max_bytes=limits.max_bytes,
        max_output_bytes=limits.max_output_bytes,
    )
    with TemporaryDirectory(prefix="ccoe-sandbox-") as folder, TemporaryFile() as printed:
        try:
            code = subprocess.run(
                [sys.executable, "-I", "-S", "-X", "utf8", "-c", guard],
                input=program.encode(errors="replace"),
                stdout=printed,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={},
                timeout=2 * limits.max_seconds,  # of the clock, for a program that sleeps
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
        size = printed.seek(0, 2)
        printed.seek(0)
        output = printed.read().decode(errors="replace")
    return Ended(output, _fault(code, output, size, limits), code == _FINISHED)


def passes(program: str, limits: SandboxLimits | None = None) -> bool:
    """Whether the program ends by itself, without an error, within its limits."""
    return run_program(program, limits or SandboxLimits()).is_whole


def _fault(code: int | None, output: str, size: int, limits: SandboxLimits) -> str | None:
    if code in (_FINISHED, 0):
        return None
    if size >= limits.max_output_bytes:
        return f"it printed more than {limits.max_output_bytes} bytes"
    if code is None or -code in (signal.SIGXCPU, signal.SIGKILL):
        return f"it took longer than {limits.max_seconds} s"
    if code < 0:
        return f"it crashed ({signal.Signals(-code).name})"
    return output.strip().rpartition("\n")[2] or f"it ended with exit code {code}"
