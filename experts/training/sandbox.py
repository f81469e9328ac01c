"""Runs a program that an expert wrote, to see whether it passes its tests.

A process of its own without files to write, network or other programs: before the program runs come limits of the
system, where the kernel allows it a network namespace with nothing in it, and an audit hook that refuses. That holds
back programs that are wrong, not an attacker who knows the interpreter's inside.
"""

import subprocess
import sys
from tempfile import TemporaryDirectory

_GUARD = """
import ctypes, os, resource, sys
limits = {{"CPU": {max_seconds}, "AS": {max_bytes}, "FSIZE": 0, "CORE": 0, "NOFILE": 32}}
for name, value in limits.items():
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
ctypes.CDLL(None).unshare(0x10000000 | 0x40000000)  # CLONE_NEWUSER, CLONE_NEWNET; where it may not, the hook remains
def refuse(event, arguments, open_modes=frozenset("wax+"), denied=frozenset({denied!r})):
    writes = event == "open" and (isinstance(arguments[1], str) and open_modes & set(arguments[1]) or arguments[2] & 3)
    if writes or event.partition(".")[0] in denied or event in denied:
        raise PermissionError(event + " is not allowed here")
program = compile(sys.stdin.read(), "<answer>", "exec")
import math, re, itertools, collections, functools, heapq, bisect, string, operator, cmath, copy, random, datetime
sys.addaudithook(refuse)
del refuse
exec(program, {{"__name__": "__main__"}})
os._exit({passed})
"""
_DENIED = (
    "socket subprocess ctypes shutil webbrowser ftplib smtplib urllib http signal os.system os.exec os.fork os.forkpty "
    "os.posix_spawn os.spawn os.kill os.killpg os.remove os.rename os.rmdir os.mkdir os.chmod os.chown os.link "
    "os.symlink os.truncate os.putenv os.unsetenv os.chdir pty.spawn sys.settrace sys.setprofile gc.get_objects"
).split()
_PASSED = 87
"""Exit code of a program that came to its end; one that ends itself before its tests has another."""


def passes(program: str, max_seconds: int = 5, max_bytes: int = 512 * 2**20) -> bool:
    """Whether the program ends by itself, without an error, within these limits of processor time and memory."""
    guard = _GUARD.format(denied=_DENIED, passed=_PASSED, max_seconds=max_seconds, max_bytes=max_bytes)
    with TemporaryDirectory(prefix="ccoe-sandbox-") as folder:
        try:
            ended = subprocess.run(
                [sys.executable, "-I", "-S", "-c", guard],
                input=program.encode(errors="replace"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={},
                timeout=2 * max_seconds,  # of the clock, for a program that sleeps
            )
        except subprocess.TimeoutExpired:
            return False
    return ended.returncode == _PASSED
