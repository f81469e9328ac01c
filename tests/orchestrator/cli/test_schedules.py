"""`ccoe schedules`: needs no service; `run` and a running service find what it has made."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from orchestrator.keys import Keys
from orchestrator.run_request import RunRequest
from orchestrator.schedule import Schedule
from orchestrator.schedule_store import ScheduleStore
from tests.orchestrator.cli.conftest import Terminal
from tests.orchestrator.conditions import until
from tests.orchestrator.processes import ccoe, line_with, process
from tests.orchestrator.scripted_experts import TWO_STEPS
from tests.orchestrator.test_webhook import SECRET

pytestmark = pytest.mark.usefixtures("redis")  # one Valkey for all commands of a test


def created(terminal: Terminal, name: str, *arguments: str) -> dict[str, Any]:
    assert terminal.ccoe("schedules", "create", name, *arguments)[0] == 0
    return json.loads(terminal.ccoe("schedules", "show", name, "--json")[1])


def test_a_schedule_is_made_and_its_next_times_are_shown_here_and_there(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, output, errors = terminal.ccoe(
        "schedules",
        "create",
        "daily",
        "how many?",
        "--cron",
        "30 7 * * *",
        "--timezone",
        "Asia/Tokyo",
        "--missed",
        "all",
    )
    assert (code, errors) == (0, "")
    heading, columns, *times = output.splitlines()
    assert heading.endswith("daily: 30 7 * * *, Asia/Tokyo; missed all, overlap allow")
    assert columns.split() == ["next", "here", "next", "there"]
    assert [line.split()[-2:] for line in times] == [["07:30", "JST"]] * 5
    assert len({line.split()[0] for line in times}) == 5
    listed = terminal.ccoe("schedules", "list")[1].splitlines()[1]
    assert listed.split()[:2] == [heading.split()[0], "daily"]
    assert "07:30 JST" in listed


def test_it_is_paused_resumed_and_deleted(terminal: Terminal) -> None:
    schedule = created(terminal, "daily", "how many?", "--cron", "0 0 * * *")
    assert terminal.ccoe("schedules", "pause", "daily")[:2] == (0, "daily is paused\n")
    assert "paused" in terminal.ccoe("schedules", "list")[1]
    assert "next here" in terminal.ccoe("schedules", "resume", schedule["id"])[1]
    assert terminal.ccoe("schedules", "delete", schedule["id"])[:2] == (0, "daily is deleted\n")
    code, _, errors = terminal.ccoe("schedules", "show", "daily")
    assert (code, "there is no schedule 'daily'" in errors, "ccoe schedules list" in errors) == (1, True, True)


def test_two_of_one_name_are_told_apart_by_id(terminal: Terminal) -> None:
    schedule = created(terminal, "daily", "how many?", "--cron", "0 0 * * *")
    terminal.ccoe("schedules", "create", "daily", "how many?", "--cron", "0 0 * * *")
    code, _, errors = terminal.ccoe("schedules", "pause", "daily")
    assert (code, "2 schedules are called 'daily'" in errors, schedule["id"] in errors) == (2, True, True)
    assert terminal.ccoe("schedules", "pause", schedule["id"])[0] == 0


def test_once_in_the_schedules_zone(terminal: Terminal) -> None:
    year = datetime.now(UTC).year + 1
    at = f"{year}-07-01T12:00"
    schedule = created(terminal, "once", "how many?", "--at", at, "--timezone", "Europe/Berlin")
    assert (schedule["next_due"], schedule["cron"]) == (f"{year}-07-01T10:00:00Z", None)


def test_the_body_of_a_run_as_a_file(terminal: Terminal, tmp_path: Path) -> None:
    body = {"plan": TWO_STEPS, "priority": "low", "webhook": {"url": "https://example.org/", "secret": SECRET}}
    file = tmp_path / "run.json"
    file.write_text(json.dumps(body))
    schedule = created(terminal, "daily", "--request", str(file), "--cron", "0 0 * * *")
    assert (schedule["request"]["plan"], schedule["request"]["priority"]) == (TWO_STEPS, "low")
    assert schedule["request"]["webhook"]["secret"] == "**********"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x", "--cron", "0 25 * * *"], "error: cron '0 25 * * *': its hour cannot be used"),
        (["x", "--cron", "0 0 * * *", "--timezone", "Europe/Berln"], "remedy: did you mean Europe/Berlin"),
        (["x", "--at", "tomorrow"], "error: 'tomorrow' is no time"),
        (["x", "--at", "2020-01-01T00:00"], "is over"),
        (["x", "--at", "2020-01-01T00:00", "--cron", "0 0 * * *"], "either `cron` or `at`"),
        (["x"], "either `cron` or `at`"),
        (["--cron", "0 0 * * *"], "give a task, or a file"),
        (["--request", "nowhere.json", "--cron", "0 0 * * *"], "'nowhere.json' cannot be read"),
        (["--request", "wrong.json", "--cron", "0 0 * * *"], "webhook.secret"),
        (["--request", "private.json", "--cron", "0 0 * * *"], "is not public"),
        (["--request", "plan.json", "--at", "2999-01-01T00:00"], "step 1 names unknown expert 'poet'; known: code,"),
        (["--request", "workflow.json", "--cron", "0 0 * * *"], "there is no tool 'shell'"),
        (["", "--cron", "0 0 * * *"], "error: the task"),
    ],
)
def test_what_cannot_be_used_is_named(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, webhook in (
        ("wrong", {"url": "https://example.org/", "secret": "hidden"}),
        ("private", {"url": "http://10.0.0.1/", "secret": SECRET}),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps({"task": "x", "webhook": webhook}))
    plan = [{"id": 1, "text": "say 48", "expert": "poet"}]
    workflow = {"name": "x", "steps": {"a": {"tool": "shell"}}}
    (tmp_path / "plan.json").write_text(json.dumps({"plan": plan}))
    (tmp_path / "workflow.json").write_text(json.dumps({"workflow": workflow}))
    code, output, errors = terminal.ccoe("schedules", "create", "daily", *arguments)
    assert (code, output) == (2, "")
    assert said in errors
    assert "hidden" not in errors and SECRET not in errors
    assert len(terminal.ccoe("schedules", "list")[1].splitlines()) == 1, "nothing but the heading"


async def test_a_running_service_makes_its_runs(redis: Redis, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    webhook = {"url": "https://example.org/", "events": ["run_interrupted"], "secret": SECRET}
    file.write_text(json.dumps({"plan": TWO_STEPS, "webhook": webhook}))
    schedules = ScheduleStore(redis, Keys("default"), 3600)

    def overdue(kept: Schedule) -> Schedule:
        return kept.model_copy(update={"next_due": datetime.now(UTC) - timedelta(seconds=5)})

    async with process("scripted_ccoe", "serve", "--port", "0") as serving:
        await line_with("serving at", serving)
        assert (await ccoe("schedules", "create", "daily", "--request", str(file), "--cron", "0 0 * * *"))[0] == 0
        [schedule] = await schedules.list()
        assert schedule.request == RunRequest.model_validate_json(file.read_text()), "its secret too"
        code, _, errors = await ccoe("schedules", "create", "daily", "--cron", "0 0 * * *", "")
        assert (code, "the task" in errors, len(await schedules.list())) == (2, True, 1)
        await schedules.change(schedule.id, overdue)

        async def has_run() -> bool:
            return (await schedules.get(schedule.id)).last_run_id is not None

        await until(has_run, "the run is made", 60)
        code, output, _ = await ccoe("schedules", "run", "daily", "--json")
        assert (code, json.loads(output)["status"]) == (0, "success")
        assert len((await ccoe("runs", "list"))[1].splitlines()) == 3
    code, output, _ = await ccoe("schedules", "run", "daily")
    assert (code, "48 patients" in output) == (0, True), "without a service its own process executes it"
