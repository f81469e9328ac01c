"""The records of runs in Redis. Terminal is final: every write goes through a script that looks at the status first."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import ValidationError
from redis.asyncio import Redis

from graphs.events import StepResult
from orchestrator.claimed_run import (
    GUARDED,
    LIVE,
    QUESTION_PREFIX,
    TRACE_LIMITS,
    ClaimedRun,
    ending_commands,
    question_field,
)
from orchestrator.errors import RunEndedError, RunNotFoundError, RunUnreadableError
from orchestrator.events import RunFinished
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_errors
from orchestrator.retention import TraceLimits
from orchestrator.run import Run, RunError, RunStatus, Timings, Usage
from orchestrator.webhook import REVEALED

TOLD_PREFIX = "told:"
"""Begins the fields of a record that say what webhooks were told of it; no part of the run."""
_UNLISTED_SECONDS = 24 * 3600

# KEYS: the run, its steps.
_READ = "return {redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2])}"

# KEYS: of the run. ARGV: live statuses, worker and time as JSON. Returns record, steps and memo as they are then, and
# the length of the trace, or nothing if there is no turn: one that waits for a person is nobody's, and not told again.
_CLAIM = """
local status = redis.call('HGET', KEYS[1], 'status')
if not status or not string.find(ARGV[1], status, 1, true) or status == '"interrupted"' then return false end
redis.call('HSET', KEYS[1], 'status', '"running"', 'worker', ARGV[2])
if redis.call('HGET', KEYS[1], 'started') == 'null' then redis.call('HSET', KEYS[1], 'started', ARGV[3]) end
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
for _, key in ipairs(KEYS) do redis.call('PERSIST', key) end
redis.call('HINCRBY', KEYS[1], 'fence', 1)
local found = {}
for k = 1, 3 do found[k] = redis.call('HGETALL', KEYS[k]) end
found[4] = redis.call('XLEN', KEYS[4])
return found
"""


class RunStore:
    """Create, read, claim and cancel the runs of one tenant. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, keys: Keys, run_ttl_seconds: int, traces: TraceLimits = TRACE_LIMITS) -> None:
        self.keys = keys
        self._traces = traces
        self._redis = redis
        self._run_ttl_seconds = run_ttl_seconds
        self._guarded = redis.register_script(GUARDED)
        self._claim = redis.register_script(_CLAIM)
        self._read = redis.register_script(_READ)

    async def create(self, run: Run, memo: Mapping[str, str] | None = None) -> None:
        """Write the record of a new run, and what it need not do again.

        Until it is listed it has a time to live: whoever dies in between leaves nothing behind.
        """
        async with redis_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(self.keys.run(run.id), mapping=_fields(run))
            if memo:
                pipeline.hset(self.keys.memo(run.id), mapping=cast(dict[Any, Any], memo))
            for key in self.keys.of_run(run.id):
                pipeline.expire(key, _UNLISTED_SECONDS)
            await pipeline.execute()

    async def keep(self, run_id: str) -> None:
        """The run is listed: it lives until it has ended. A repeated call after its end changes nothing."""
        keys = self.keys.of_run(run_id)
        commands = json.dumps([("PERSIST", place) for place, _ in enumerate(keys, start=1)])
        async with redis_errors():
            await self._guarded(keys=keys, args=[LIVE, "", commands])

    async def drop(self, run_id: str) -> None:
        """Take back a run that is not listed."""
        async with redis_errors():
            await self._redis.delete(*self.keys.of_run(run_id))

    async def get(self, run_id: str) -> Run:
        """Raises RunNotFoundError, RunUnreadableError."""
        if not run_id.isalnum():
            raise RunNotFoundError(run_id)
        async with redis_errors():
            record, steps = await self._read(keys=[self.keys.run(run_id), self.keys.steps(run_id)])
        if not record:
            raise RunNotFoundError(run_id)
        return _run(run_id, _pairs(record), _pairs(steps))

    async def status(self, run_id: str) -> RunStatus:
        """Raises RunNotFoundError."""
        return RunStatus(await self._field(run_id, "status"))

    async def is_interrupted(self, run_id: str) -> bool:
        """Whether the run waits for a person; one that is gone does not."""
        async with redis_errors():
            return await self._redis.hget(self.keys.run(run_id), "status") == json.dumps(RunStatus.INTERRUPTED)

    async def is_over(self, run_id: str) -> bool:
        """Whether the run has ended or is gone. That is final."""
        async with redis_errors():
            status = cast(str | None, await self._redis.hget(self.keys.run(run_id), "status"))
        return status is None or status not in LIVE

    async def thread_of(self, run_id: str) -> str | None:
        """The conversation that the run belongs to. Raises RunNotFoundError."""
        return cast(str | None, await self._field(run_id, "thread_id"))

    async def _field(self, run_id: str, name: str) -> Any:
        if not run_id.isalnum():
            raise RunNotFoundError(run_id)
        async with redis_errors():
            text = await self._redis.hget(self.keys.run(run_id), name)
        if text is None:
            raise RunNotFoundError(run_id)
        return json.loads(text)

    async def memo(self, run_id: str) -> dict[str, str]:
        """What the run need not do again, as it is kept."""
        async with redis_errors():
            return cast(dict[str, str], await self._redis.hgetall(self.keys.memo(run_id)))

    async def newest(self, limit: int = 20) -> list[Run]:
        """The newest first. Ids whose records have expired are dropped from the index."""
        runs: list[Run] = []
        start = 0
        while len(runs) < limit:
            async with redis_errors():
                page = cast(list[str], await self._redis.zrevrange(self.keys.runs, start, start + limit - 1))
            if not page:
                break
            start += len(page)
            for run_id in page:
                try:
                    runs.append(await self.get(run_id))
                except RunNotFoundError:
                    async with redis_errors():
                        start -= await self._redis.zrem(self.keys.runs, run_id)
        return runs[:limit]

    async def claim(self, run_id: str, worker: str) -> ClaimedRun | None:
        """Make the run this worker's, under a new fence. None: it is over, or waits for a person.

        Raises RunUnreadableError.
        """
        at = datetime.now(UTC).isoformat()
        async with redis_errors():
            found = await self._claim(keys=self.keys.of_run(run_id), args=[LIVE, json.dumps(worker), json.dumps(at)])
        if found is None:
            return None
        record, steps, memo, num_entries = found
        run = _run(run_id, _pairs(record), _pairs(steps))
        return ClaimedRun(self._redis, self.keys, run, _pairs(memo), self._run_ttl_seconds, self._traces, num_entries)

    async def cancel(self, run_id: str, reason: str) -> Run:
        """End the run as cancelled, whoever executes it: it is refused at its next write, and looks for that itself.

        Raises RunNotFoundError, RunEndedError.
        """
        run = await self.get(run_id)
        error = RunError(type="cancelled", message=reason, remedy="start the run again, or resume it")
        await self.end(so_far(run, RunStatus.CANCELLED, error))
        return await self.get(run_id)

    async def end(self, final: RunFinished) -> None:
        """End a run, whoever executes it. Raises RunEndedError."""
        keys = self.keys.of_run(final.run_id)
        commands = json.dumps(ending_commands(final, len(keys), self._run_ttl_seconds, self._traces))
        async with redis_errors():
            reply = await self._guarded(keys=keys, args=[LIVE, "", commands])
        if reply != "written":
            raise RunEndedError(final.run_id)


def so_far(run: Run, status: RunStatus, error: RunError) -> RunFinished:
    """The end of a run that nobody finishes, with the figures of the steps that its record has."""
    steps: list[StepResult] = list(run.steps.values())
    usage = Usage(
        num_prompt_tokens=sum(result.num_prompt_tokens for result in steps),
        num_output_tokens=sum(result.num_output_tokens for result in steps),
    )
    total = (datetime.now(UTC) - run.started).total_seconds() if run.started else 0.0
    timings = Timings(steps={result.id: result.seconds for result in steps}, total=total)
    return RunFinished(run_id=run.id, status=status, error=error, usage=usage, timings=timings)


def _fields(run: Run) -> dict[Any, Any]:
    dumped: dict[str, Any] = run.model_dump(mode="json", exclude={"steps", "questions"}, context=REVEALED)
    return {name: json.dumps(value) for name, value in dumped.items()}


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    """A hash as a script returns it."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _run(run_id: str, record: Mapping[str, str], steps: Mapping[str, str]) -> Run:
    """Raises RunUnreadableError."""
    fields = {name: json.loads(text) for name, text in record.items() if not name.startswith(TOLD_PREFIX)}
    asked = sorted(int(name.removeprefix(QUESTION_PREFIX)) for name in fields if name.startswith(QUESTION_PREFIX))
    fields["questions"] = {step: fields.pop(question_field(step)) for step in asked}
    fields["steps"] = {int(step): json.loads(result) for step, result in sorted(steps.items(), key=_step_of)}
    try:
        return Run.model_validate(fields)
    except ValidationError as error:
        raise RunUnreadableError(run_id, str(error)) from error


def _step_of(item: tuple[str, str]) -> int:
    return int(item[0])
