"""Runs a program that an expert wrote, to see whether it passes its tests.

A process of its own without files to write, network or other programs: refused by an audit hook before the program is
compiled, by limits of the system, and where the kernel allows it by a network namespace with nothing in it. That holds
back programs that are wrong, not an attacker who knows the interpreter's inside.
"""

import ctypes
import resource
import subprocess
import sys
from functools import partial
from tempfile import TemporaryDirectory

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_GUARD = """
import os, sys
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
    with TemporaryDirectory(prefix="ccoe-sandbox-") as folder:
        try:
            ended = subprocess.run(
                [sys.executable, "-I", "-S", "-c", _GUARD.format(denied=_DENIED, passed=_PASSED)],
                input=program.encode(errors="replace"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={},
                timeout=2 * max_seconds,  # of the clock, for a program that sleeps
                preexec_fn=partial(_confine, max_seconds, max_bytes),
            )
        except subprocess.TimeoutExpired:
            return False
    return ended.returncode == _PASSED


def _confine(max_seconds: int, max_bytes: int) -> None:
    """In the new process, before the interpreter starts."""
    for limit, value in (
        (resource.RLIMIT_CPU, max_seconds),
        (resource.RLIMIT_AS, max_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        resource.setrlimit(limit, (value, value))
    # without the right to make a namespace, the audit hook is what refuses the network
    ctypes.CDLL(None).unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
