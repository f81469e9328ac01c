"""What a program prints is the result; the sandbox is the real one."""

import pytest

from experts.sandbox import SandboxLimits, run_program
from graphs.errors import ToolError
from graphs.tools.python_program import PythonTool

TOOL = PythonTool(lambda program: run_program(program, SandboxLimits(max_seconds=2)), max_seconds=4)


async def test_what_a_program_prints_is_the_result() -> None:
    assert (await TOOL.run('{"program":"print(sum(range(10)))"}', "")).text == "45"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("x = 1", "python: the program printed nothing; let it print"),
        ("print(1 / 0)", "python: ZeroDivisionError: division by zero; correct the program"),
        ("print(open('/etc/passwd').read())", "PermissionError"),
        ("import socket\nsocket.socket()", "PermissionError"),
    ],
)
async def test_a_program_that_fails_says_why(program: str, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        await TOOL.call({"program": program})
