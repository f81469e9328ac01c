"""A model behind an OpenAI-compatible server as the planner: what it may send, and what becomes of the run."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from pydantic import SecretStr

from graphs.budget import Budget
from graphs.errors import BudgetExhausted, GenerationError
from graphs.events import Planned, PlanToken
from graphs.limits import Limits
from graphs.planning import Planning
from graphs.run import run_task
from orchestrator.chat_completions import ChatCompletions
from orchestrator.settings import Settings, read_settings
from tests.graphs.scripted_client import EventList, ScriptedClient

TASK = "How many books did Omar borrow? Multiply that by 12."
KEY = "sk-4711-secret"
QUESTION = "How many books did Omar borrow?"
FIRST = {"id": 1, "text": QUESTION, "expert": "law"}
SECOND = {"id": 2, "text": "Multiply #1 by 12.", "expert": "general"}
GOOD = json.dumps({"steps": [FIRST, SECOND]})
ANSWERS = {"law": {QUESTION: "three"}, "general": {"Multiply three by 12.": "It is 36"}}


@pytest.fixture
def sink() -> EventList:
    return EventList()


@dataclass
class PlanServer:
    """Answers with these contents or statuses in turn, the last one again and again; remembers what it was sent."""

    replies: Sequence[str | int | Mapping[str, Any]]
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    keys: list[str | None] = field(default_factory=list[str | None])
    released: Event = field(default_factory=Event)
    url: str = ""

    @contextmanager
    def running(self) -> Generator["PlanServer"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        thread = Thread(target=server.serve_forever)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield self
        finally:
            self.released.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        plan_server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/chat/completions"
                plan_server.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                plan_server.keys.append(self.headers.get("Authorization"))
                number = min(len(plan_server.requests), len(plan_server.replies)) - 1
                match plan_server.replies[number]:
                    case "never":
                        plan_server.released.wait()
                    case int(status):
                        self.answer({"error": {"message": f"no, {self.headers.get('Authorization')}"}}, status)
                    case str(text):
                        self.answer(completion(text))
                    case body:
                        self.answer(body)

            def answer(self, body: Mapping[str, Any], status: int = 200) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        return Handler


def completion(text: str | None, finish_reason: str = "stop", **message: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish_reason}
    return {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}}


def steps(*items: Mapping[str, Any]) -> str:
    return json.dumps({"steps": items})


async def planned_by(server: PlanServer, sink: EventList, seconds: float = 60, **budget: int) -> Planned:
    """What the run's trace says of the plan, the run having gone to its end."""
    model = ChatCompletions(server.url, "big", SecretStr(KEY), seconds)
    client = ScriptedClient(answers=ANSWERS, is_loose=True)
    outcome = await run_task(
        TASK,
        client=client,
        tools={},
        sink=sink,
        limits=Limits(budget=Budget(**budget)),
        planning=Planning(remote=model),
    )
    (planned,) = (event for event in sink.events if isinstance(event, Planned))
    assert outcome.plan == planned.plan
    assert outcome.usage.num_prompt_tokens >= planned.num_prompt_tokens
    return planned


async def test_a_remote_model_writes_the_plan_of_a_run(sink: EventList) -> None:
    with PlanServer([GOOD]).running() as server:
        planned = await planned_by(server, sink)
    assert [(step.text, step.expert, step.depends_on) for step in planned.plan.steps] == [
        (QUESTION, "law", ()),
        (SECOND["text"], "general", (1,)),
    ]
    assert (planned.num_prompt_tokens, planned.num_output_tokens, planned.num_drafts) == (100, 20, 1)
    assert planned.warnings == ()
    assert server.keys == [f"Bearer {KEY}"]
    assert [event.text for event in sink.events if isinstance(event, PlanToken)] == [GOOD]


async def test_it_is_told_the_live_experts_in_words_and_as_a_schema(sink: EventList) -> None:
    with PlanServer([GOOD]).running() as server:
        await planned_by(server, sink)
    (request,) = server.requests
    schema = request["response_format"]["json_schema"]
    step = schema["schema"]["properties"]["steps"]["items"]
    assert (request["response_format"]["type"], schema["strict"], request["model"]) == ("json_schema", True, "big")
    assert step["properties"]["expert"]["enum"] == ["code", "general", "law", "math", "sql"], "not the planner"
    assert step["additionalProperties"] is False
    assert "law: the law expert" in request["messages"][0]["content"]
    assert request["messages"][-1] == {"role": "user", "content": f"Task: {TASK}"}


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ("Sure! Here is the plan: [", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("", "it is no JSON"),
        (json.dumps([FIRST]), 'it is no object with "steps" alone'),
        (json.dumps({"steps": []}), 'it is no object with "steps" alone'),
        (json.dumps({"steps": [FIRST], "tools": ["shell"]}), 'it is no object with "steps" alone'),
        (steps({**FIRST, "expert": "shell"}), "step 1 names unknown expert 'shell'"),
        (steps({**FIRST, "expert": "planner"}), "step 1 names unknown expert 'planner'"),
        (steps({**FIRST, "text": "Add #2."}, SECOND), "step 1 refers to [2]"),
        (steps({**FIRST, "text": " "}), "step 1 has an empty text"),
        (steps({**FIRST, "text": "\ud800"}), "text"),
        (steps({**FIRST, "id": 7}), "step ids are [7]"),
        (steps({**FIRST, "id": True}, FIRST), "used twice"),
        (steps({"id": 1, "text": "x"}), "have not exactly the fields id, text, expert"),
        (steps({**FIRST, "tool": "python", "call": "os.system('id')"}), "have not exactly the fields id, text, expert"),
        (steps({**FIRST, "policy": {"quorum": {"samples": 9}}}), "have not exactly the fields id, text, expert"),
        (steps(*({**FIRST, "id": k} for k in range(1, 14))), "it has 13 steps; write at most 12"),
        (completion(GOOD[:40], "length"), "it was cut off"),
    ],
)
async def test_a_plan_that_breaks_the_rules_is_repaired_once(reply: Any, fault: str, sink: EventList) -> None:
    """The faults are named; a plan that names tools, brings a policy or leaves the schema is none either."""
    with PlanServer([reply, GOOD]).running() as server:
        planned = await planned_by(server, sink)
    assert [step.expert for step in planned.plan.steps] == ["law", "general"]
    assert (planned.num_drafts, planned.num_prompt_tokens, planned.num_output_tokens) == (2, 200, 40)
    answered, asked = server.requests[1]["messages"][-2:]
    assert answered["role"] == "assistant"
    assert (asked["role"], fault in asked["content"]) == ("user", True)


async def test_a_repair_that_fails_is_an_honest_failure(sink: EventList) -> None:
    bad = steps({**FIRST, "expert": "shell"})
    message = "still was after a repair: step 1 names unknown expert 'shell'"
    with PlanServer([bad]).running() as server, pytest.raises(GenerationError, match=message):
        await planned_by(server, sink)
    assert len(server.requests) == 2
    assert not [event for event in sink.events if isinstance(event, Planned)]


@pytest.mark.parametrize("repair", ["no JSON", 500])
async def test_a_valid_plan_with_something_missing_is_repaired_too_and_kept_if_that_fails(
    repair: str | int, sink: EventList
) -> None:
    with PlanServer([steps(FIRST), repair]).running() as server:
        planned = await planned_by(server, sink)
    assert "the plan leaves out 12" in server.requests[1]["messages"][-1]["content"]
    assert [step.text for step in planned.plan.steps] == [QUESTION]
    assert planned.warnings == ("the plan leaves out 12",)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (401, "401 Unauthorized.*correct CCOE_PLANNER_KEY"),
        (404, "404 Not Found.*correct CCOE_PLANNER_URL"),
        (429, "429 Too Many Requests"),
        (500, "500 Internal Server Error.*see the server's log"),
        ({"hello": "there"}, "it sent no chat completion.*choices"),
        ({"choices": []}, "it sent no choice"),
        (completion(None, refusal="I will not."), "the model refuses: I will not."),
        ("never", "no answer within 0.2 s"),
    ],
)
async def test_a_server_that_fails_is_named_with_the_remedy(reply: Any, message: str, sink: EventList) -> None:
    with PlanServer([reply]).running() as server, pytest.raises(GenerationError, match=message) as failed:
        await planned_by(server, sink, seconds=0.2 if reply == "never" else 60)
    assert len(server.requests) <= 1, "it is not asked again"
    assert server.url in str(failed.value)
    assert KEY not in str(failed.value), "not even where the server repeats it"


async def test_a_server_that_is_not_there_is_named(sink: EventList) -> None:
    with PlanServer([GOOD]).running() as server:
        pass
    with pytest.raises(GenerationError, match="start the server, or correct CCOE_PLANNER_URL"):
        await planned_by(server, sink)


async def test_its_tokens_are_the_runs_tokens(sink: EventList) -> None:
    """100 + 20 tokens are spent by the first plan: nothing is left for its repair."""
    exhausted = pytest.raises(BudgetExhausted, match="120 tokens are used up")
    with PlanServer(["no JSON", GOOD]).running() as server, exhausted:
        await planned_by(server, sink, tokens=120)
    assert len(server.requests) == 1


async def test_a_server_without_usage_is_counted_by_characters() -> None:
    silent = {**completion(GOOD), "usage": None}
    with PlanServer([silent]).running() as server:
        reply = await ChatCompletions(server.url, "big").complete([{"role": "user", "content": "x" * 400}], {})
    assert server.keys == [None]
    assert reply.num_output_tokens == -(-len(GOOD) // 4)
    assert reply.num_prompt_tokens > 100


def test_the_settings_name_server_model_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ChatCompletions.of(Settings()) is None
    monkeypatch.setenv("CCOE_PLANNER_URL", "http://127.0.0.1:8000/v1")
    monkeypatch.setenv("CCOE_PLANNER_MODEL", "big")
    monkeypatch.setenv("CCOE_PLANNER_KEY", KEY)
    model = ChatCompletions.of(read_settings())
    assert model == ChatCompletions("http://127.0.0.1:8000/v1", "big", SecretStr(KEY))
    assert KEY not in repr(model)
