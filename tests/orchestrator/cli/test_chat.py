"""`ccoe chat`, `ccoe ask --thread` and `ccoe threads`, in processes of their own."""

import asyncio
import json

from tests.orchestrator.processes import ccoe, line_with, process


async def chatted(lines: str, *arguments: str) -> tuple[int | None, str, str]:
    async with process("scripted_ccoe", "chat", *arguments) as running, asyncio.timeout(60):
        output, errors = await running.communicate(lines.encode())
        return running.returncode, output.decode(), errors.decode()


async def test_each_line_is_asked_in_one_thread() -> None:
    code, output, errors = await chatted("say one\n\nsay two", "--mode", "direct")
    assert (code, output, errors) == (0, "one\ntwo\n", "")
    listed = (await ccoe("threads", "list"))[1]
    assert " 2 " in listed and "say one" in listed
    thread = json.loads((await ccoe("threads", "show", "last", "--json"))[1])
    assert [(turn["task"], turn["answer"]) for turn in thread["turns"]] == [("say one", "one"), ("say two", "two")]
    code, output, _ = await ccoe("ask", "say three", "--thread", thread["id"], "--mode", "direct", "--json")
    assert (code, json.loads(output)["answer"]) == (0, "three")
    shown = (await ccoe("threads", "show", thread["id"]))[1]
    assert "> say two\ntwo\n> say three\nthree\n" in shown
    assert (await ccoe("threads", "delete", thread["id"]))[1] == f"thread {thread['id']} is deleted\n"
    code, _, errors = await chatted("say four", "--thread", thread["id"])
    assert code == 1 and "there is no thread" in errors


async def test_a_line_that_fails_ends_nothing() -> None:
    code, output, errors = await chatted("x" * 30_000 + "\nfail\nsay two\n", "--mode", "direct")
    assert code == 1
    assert "shorten it" in errors
    assert output.splitlines()[-1] == "two" and "it was told to fail" in output


async def test_through_a_running_service() -> None:
    async with process("scripted_ccoe", "serve", "--port", "0") as serving:
        await line_with("http://127.0.0.1", serving)
        assert (await chatted("say one\nsay two", "--mode", "direct"))[:2] == (0, "one\ntwo\n")
        code, output, _ = await ccoe("ask", "say three", "--thread", "last", "--json")
        assert code == 2 and not output
        assert json.loads((await ccoe("threads", "show", "last", "--json"))[1])["num_turns"] == 2
