"""A run in the hands of one worker. Every write carries the fence of its claim; a late one is refused."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from redis.asyncio import Redis

from graphs.events import Answered, Planned, StepFinished, StepResult
from graphs.turn import Turn
from orchestrator.errors import LeaseLostError, RunEndedError, RunNotFoundError
from orchestrator.events import RunFinished, TraceEvent
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_errors
from orchestrator.run import Run, RunStatus

LIVE = " ".join(f'"{status}"' for status in RunStatus if not status.is_terminal)
PLAN_FIELD = "plan"

# KEYS: the run, its other keys. ARGV: live statuses, fence or '', commands as JSON, each with its key as a number.
# The client repeats a call whose reply was lost; an entry that is in the stream already is not written twice.
GUARDED = """
local status, fence = unpack(redis.call('HMGET', KEYS[1], 'status', 'fence'))
if not status then return 'gone' end
if not string.find(ARGV[1], status, 1, true) then return 'ended' end
if ARGV[2] ~= '' and ARGV[2] ~= fence then return 'taken' end
for _, command in ipairs(cjson.decode(ARGV[3])) do
  command[2] = KEYS[command[2]]
  local reply = redis.pcall(unpack(command))
  local failure = type(reply) == 'table' and reply.err
  if failure and not string.find(failure, 'equal or smaller', 1, true) then return reply end
end
return 'written'
"""

RUN, STEPS, MEMO, EVENTS = 1, 2, 3, 4
"""The places of a run's keys in `Keys.of_run`."""
Command = Sequence[str | int]
"""A Redis command: its name, the place of its key, its other arguments."""


def ending_commands(final: RunFinished, num_keys: int, run_ttl_seconds: int) -> list[Command]:
    """End a run: status and figures, the last event, and a time to live for all of its `num_keys` keys."""
    at = datetime.now(UTC).isoformat()
    ended = {**final.model_dump(mode="json", include={"status", "error", "usage", "timings"}), "finished": at}
    pairs = [text for name, value in ended.items() for text in (name, json.dumps(value))]
    return [
        ("HSET", RUN, *pairs),
        ("XADD", EVENTS, "*", "event", final.model_dump_json(), "at", at),
        *(("EXPIRE", key, str(run_ttl_seconds)) for key in range(1, num_keys + 1)),
    ]


class ClaimedRun:
    """The only writer of a run. All methods raise RedisUnavailableError.

    A write raises RunEndedError if the run is terminal and LeaseLostError if another worker has claimed it since;
    nothing is written then.
    """

    def __init__(self, redis: Redis, keys: Keys, run: Run, planned: Planned | None, run_ttl_seconds: int) -> None:
        self.run = run
        """The record as it was when it was claimed."""
        self.planned = planned
        """What an earlier worker planned."""
        self._redis = redis
        self._keys = keys.of_run(run.id)
        self._run_ttl_seconds = run_ttl_seconds
        self._guarded = redis.register_script(GUARDED)
        self._attempts_before = run.attempts - 1
        self._num_events = 0

    async def append(self, event: TraceEvent, *commands: Command) -> None:
        """Write the trace's next event, and what belongs to it, at once. Ids are `fence-number`, so they ascend."""
        self._num_events += 1
        entry_id = f"{self.run.fence}-{self._num_events}"
        entry = ("event", event.model_dump_json(), "at", datetime.now(UTC).isoformat())
        await self._write(*commands, ("XADD", EVENTS, entry_id, *entry))

    async def pin_turns(self, turns: Sequence[Turn]) -> None:
        """Keep what was said before: whoever takes the run over renders the same prompts."""
        await self._write(("HSET", RUN, "turns", json.dumps([turn.model_dump(mode="json") for turn in turns])))

    async def append_plan(self, planned: Planned) -> None:
        """Commit the plan: in the record, for whoever takes the run over, and in the trace."""
        in_record = ("HSET", RUN, "plan", planned.plan.model_dump_json())
        await self.append(planned, in_record, ("HSET", MEMO, PLAN_FIELD, planned.model_dump_json()))

    async def append_step(self, finished: StepFinished) -> None:
        """Keep a step's result in the record and in the trace."""
        result = finished.result
        await self.append(finished, ("HSET", STEPS, str(result.id), result.model_dump_json()))

    async def append_answer(self, answered: Answered) -> None:
        """Keep the answer in the record and in the trace."""
        await self.append(answered, ("HSET", RUN, "answer", json.dumps(answered.answer)))

    async def recall(self, field: str) -> StepResult | None:
        """A committed result."""
        async with redis_errors():
            kept = await self._redis.hget(self._keys[MEMO - 1], field)
        return None if kept is None else StepResult.model_validate_json(kept)

    async def commit(self, field: str, result: StepResult) -> None:
        """Commit a result once; an earlier one stays. A run that gets on has all its attempts again."""
        self._attempts_before = 0
        await self._write(("HSETNX", MEMO, field, result.model_dump_json()), ("HSET", RUN, "attempts", "0"))

    async def finish(self, final: RunFinished) -> None:
        """End the run."""
        await self._write(*ending_commands(final, len(self._keys), self._run_ttl_seconds))

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
        async with redis_errors():
            reply = await self._guarded(keys=self._keys, args=[LIVE, self.run.fence, json.dumps(commands)])
        self._raise_for(reply)

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
