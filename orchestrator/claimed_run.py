"""A run in the hands of one worker. Every write carries the fence of its claim; a late one is refused."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from redis.asyncio import Redis

from graphs.budget import Spent
from graphs.events import Answered, AnswerWanted, Drafted, Planned, StepFinished, StepPlanned, StepResult
from graphs.turn import Turn
from orchestrator.errors import LeaseLostError, RunEndedError, RunNotFoundError
from orchestrator.events import RunFinished, RunInterrupted, TraceEvent
from orchestrator.keys import Keys
from orchestrator.question import Question
from orchestrator.redis_connection import redis_errors
from orchestrator.retention import TraceLimits
from orchestrator.run import Run, RunStatus

LIVE = " ".join(f'"{status}"' for status in RunStatus if not status.is_terminal)
PLAN_FIELD = "plan"
TRACE_LIMITS = TraceLimits()
QUESTION_PREFIX = "question:"
DRAFT_FIELDS = "draft:"
"""What their names begin with."""

_GUARD = """
local status, fence = unpack(redis.call('HMGET', KEYS[1], 'status', 'fence'))
if not status then return 'gone' end
if not string.find(ARGV[1], status, 1, true) then return 'ended' end
if ARGV[2] ~= '' and ARGV[2] ~= fence then return 'taken' end
"""

# KEYS: the run, its other keys. ARGV: live statuses, fence or '', commands as JSON, each with its key as a number.
# The client repeats a call whose reply was lost; an entry that is in the stream already is not written twice.
GUARDED = (
    _GUARD
    + """
for _, command in ipairs(cjson.decode(ARGV[3])) do
  command[2] = KEYS[command[2]]
  local reply = redis.pcall(unpack(command))
  local failure = type(reply) == 'table' and reply.err
  if failure and not string.find(failure, 'equal or smaller', 1, true) then return reply end
end
return 'written'
"""
)

# KEYS: as above. ARGV: live statuses, fence, id of the event, event, time, names and values as JSON, memo's fields.
# The run is pending if one of its questions has been answered since it looked, else interrupted.
INTERRUPT = (
    _GUARD
    + """
if status == '"interrupted"' then return 'written' end
redis.call('HSET', KEYS[1], unpack(cjson.decode(ARGV[6])))
for i = 7, #ARGV do
  if redis.call('HEXISTS', KEYS[3], ARGV[i]) == 1 then
    redis.call('HSET', KEYS[1], 'status', '"pending"')
    return 'answered'
  end
end
redis.call('HSET', KEYS[1], 'status', '"interrupted"')
redis.call('XADD', KEYS[4], ARGV[3], 'event', ARGV[4], 'at', ARGV[5])
return 'written'
"""
)

RUN, STEPS, MEMO, EVENTS = 1, 2, 3, 4
"""The places of a run's keys in `Keys.of_run`."""
Command = Sequence[str | int]
"""A Redis command: its name, the place of its key, its other arguments."""


def ending_commands(final: RunFinished, num_keys: int, run_ttl_seconds: int, traces: TraceLimits) -> list[Command]:
    """End a run: status and figures, the last event, and a time to live for all of its `num_keys` keys."""
    seconds = dict.fromkeys(range(1, num_keys + 1), run_ttl_seconds)
    seconds[EVENTS] = min(run_ttl_seconds, traces.seconds or run_ttl_seconds)
    at = datetime.now(UTC).isoformat()
    ended = {**final.model_dump(mode="json", include={"status", "error", "usage", "timings"}), "finished": at}
    pairs = [text for name, value in ended.items() for text in (name, json.dumps(value))]
    return [
        ("HSET", RUN, *pairs),
        ("XADD", EVENTS, "*", "event", final.model_dump_json(), "at", at),
        *(("EXPIRE", key, str(ttl)) for key, ttl in seconds.items()),
    ]


def question_field(step: int) -> str:
    """The field of a run's record that has the question of a step."""
    return f"{QUESTION_PREFIX}{step}"


class ClaimedRun:
    """The only writer of a run. All methods raise RedisUnavailableError.

    A write raises RunEndedError if the run is terminal and LeaseLostError if another worker has claimed it since;
    nothing is written then.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        run: Run,
        memo: dict[str, str],
        run_ttl_seconds: int,
        traces: TraceLimits = TRACE_LIMITS,
        num_entries: int = 0,
    ) -> None:
        self.run = run
        """The record as it was when it was claimed."""
        self.planned = Planned.model_validate_json(memo[PLAN_FIELD]) if PLAN_FIELD in memo else None
        """What an earlier worker planned."""
        self.heard = time.monotonic()
        """The last time when it was this worker's for sure: when the last write that was taken set out."""
        self.drafts: dict[str, str] = {}
        """What of its drafts was recalled, as it is kept."""
        self._redis = redis
        self._keys = keys.of_run(run.id)
        self._run_ttl_seconds = run_ttl_seconds
        self._traces = traces
        self._guarded = redis.register_script(GUARDED)
        self._interrupt = redis.register_script(INTERRUPT)
        self._attempts_before = run.attempts - 1
        self._num_events = 0
        self._num_entries = num_entries
        self._memo = memo
        self._held: list[Command] = []

    @property
    def max_entries(self) -> int:
        """How long the trace may grow."""
        return self._traces.max_entries

    @property
    def room(self) -> int:
        """How many entries of text that is being written the trace takes. Everything else it always takes."""
        return max(0, self._traces.max_entries - self._num_entries)

    async def append(self, event: TraceEvent, *commands: Command) -> str:
        """Write the trace's next event, and what belongs to it, at once. Ids are `fence-number`, so they ascend."""
        entry_id, entry = self._entry(event)
        await self._write(*self._taken(), *commands, entry)
        return entry_id

    def hold(self, events: Sequence[TraceEvent]) -> None:
        """The trace's next events, which go in front of what is appended next."""
        self._held += (self._entry(event)[1] for event in events)

    async def write_held(self) -> None:
        """Write them now."""
        if self._held:
            await self._write(*self._taken())

    def _taken(self) -> Sequence[Command]:
        held, self._held = self._held, []
        return held

    def _entry(self, event: TraceEvent) -> tuple[str, Command]:
        self._num_events += 1
        self._num_entries += 1
        entry_id = f"{self.run.fence}-{self._num_events}"
        at = datetime.now(UTC).isoformat()
        return entry_id, ("XADD", EVENTS, entry_id, "event", event.model_dump_json(), "at", at)

    async def pin_turns(self, turns: Sequence[Turn]) -> None:
        """Keep what was said before: whoever takes the run over renders the same prompts."""
        await self._write(("HSET", RUN, "turns", json.dumps([turn.model_dump(mode="json") for turn in turns])))

    async def append_plan(self, planned: Planned) -> None:
        """Commit the plan: in the record, for whoever takes the run over, and in the trace."""
        in_record = ("HSET", RUN, "plan", planned.plan.model_dump_json())
        await self.append(planned, in_record, ("HSET", MEMO, PLAN_FIELD, planned.model_dump_json()))

    async def append_draft(self, field: str, event: StepPlanned | Drafted) -> None:
        """Commit what was written of a plan, for whoever goes on with it, and in the trace; not what was recalled."""
        kept = event.model_dump_json()
        if self.drafts.get(field) != kept:
            await self.append(event, ("HSET", MEMO, field, kept))

    async def recall_drafts(self) -> None:
        """Read what there is of drafts."""
        async with redis_errors():
            memo = cast(dict[str, str], await self._redis.hgetall(self._keys[MEMO - 1]))
        self.drafts = {field: kept for field, kept in memo.items() if field.startswith(DRAFT_FIELDS)}

    def hold_step(self, finished: StepFinished) -> None:
        """A step's result for the record and the trace, in front of what is appended next."""
        result = finished.result
        self._held.append(("HSET", STEPS, str(result.id), result.model_dump_json()))
        self.hold([finished])

    async def append_question(self, wanted: AnswerWanted) -> None:
        """Open a question in the record and in the trace."""
        question = Question(wanted=wanted, asked=datetime.now(UTC))
        await self.append(wanted, ("HSET", RUN, question_field(wanted.step), question.model_dump_json()))

    async def append_answer(self, answered: Answered) -> None:
        """Keep the answer in the record and in the trace."""
        await self.append(answered, ("HSET", RUN, "answer", json.dumps(answered.answer)))

    def recalled(self, *fields: str) -> StepResult | None:
        """The first of the fields that has a result, committed by an earlier worker or by this one."""
        found = (self._memo[field] for field in fields if field in self._memo)
        return next(map(StepResult.model_validate_json, found), None)

    async def answered(self, field: str) -> StepResult | None:
        """A result that a person may have committed since."""
        async with redis_errors():
            kept = await self._redis.hget(self._keys[MEMO - 1], field)
        return None if kept is None else StepResult.model_validate_json(kept)

    async def commit(self, field: str, result: StepResult) -> None:
        """Commit a result once; an earlier one stays. A run that gets on has all its attempts again."""
        self._attempts_before = 0
        kept = result.model_dump_json()
        await self._write(("HSETNX", MEMO, field, kept), ("HSET", RUN, "attempts", "0"))
        self._memo.setdefault(field, kept)

    async def finish(self, final: RunFinished) -> None:
        """End the run."""
        await self._write(*ending_commands(final, len(self._keys), self._run_ttl_seconds, self._traces))

    async def interrupt(self, questions: Mapping[str, AnswerWanted], spent: Spent) -> None:
        """Leave the run until a person has answered one of the questions, which have their fields of the memo.

        It is interrupted, or pending if an answer has come meanwhile; nobody's either way, with all its attempts.
        """
        self._num_events += 1
        self._num_entries += 1
        event = RunInterrupted(run_id=self.run.id, steps=tuple(wanted.step for wanted in questions.values()))
        fields = {"worker": None, "attempts": self._attempts_before, "spent": spent.model_dump()}
        pairs = [text for name, value in fields.items() for text in (name, json.dumps(value))]
        entry = (f"{self.run.fence}-{self._num_events}", event.model_dump_json(), datetime.now(UTC).isoformat())
        arguments = [LIVE, self.run.fence, *entry, json.dumps(pairs), *questions]
        async with redis_errors():
            self._raise_for(await self._interrupt(keys=self._keys, args=arguments))

    async def hand_back(self, *, counts: bool) -> None:
        """Put the run back as it was before this claim, which counts as an attempt or does not."""
        fields = {"status": RunStatus.PENDING.value, "worker": None, "attempts": self._attempts_before + counts}
        await self._write(
            ("HSET", RUN, *(text for name, value in fields.items() for text in (name, json.dumps(value))))
        )

    async def check(self) -> None:
        """Write nothing, and raise what a write would raise."""
        await self._write()

    async def _write(self, *commands: Command) -> None:
        began = time.monotonic()
        async with redis_errors():
            reply = await self._guarded(keys=self._keys, args=[LIVE, self.run.fence, json.dumps(commands)])
        self._raise_for(reply)
        self.heard = began

    def _raise_for(self, reply: str) -> None:
        match reply:
            case "gone":
                raise RunNotFoundError(self.run.id)
            case "ended":
                raise RunEndedError(self.run.id)
            case "taken":
                raise LeaseLostError(self.run.id, self.run.fence)
            case _:
                pass
