"""The records of runs in Redis. Terminal is final: every write goes through a script that looks at the status first."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import TypeAdapter
from redis.asyncio import Redis

from graphs.events import StepResult
from graphs.plan import Plan
from orchestrator.errors import RunEndedError, RunNotFoundError
from orchestrator.events import RunFinished
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_errors
from orchestrator.run import Run, RunError, RunStatus

_LIVE = " ".join(f'"{status}"' for status in RunStatus if not status.is_terminal)
_STEPS = TypeAdapter(dict[int, StepResult])
_FORGET_AFTER_SECONDS = 60.0

# KEYS: the run, the key to write. ARGV: live statuses, command, its arguments behind the key.
# The client repeats a command whose reply was lost; an entry that is there already is not written twice.
_WRITE_IF_LIVE = """
local status = redis.call('HGET', KEYS[1], 'status')
if not status or not string.find(ARGV[1], status, 1, true) then return false end
local reply = redis.pcall(ARGV[2], KEYS[2], unpack(ARGV, 3))
local failure = type(reply) == 'table' and reply.err
if failure and not string.find(failure, 'equal or smaller', 1, true) then return reply end
return 1
"""

# KEYS: run, steps, events. ARGV: live statuses, TTL or '', final event or '', its time, field, value, ...
_TRANSITION = """
local status = redis.call('HGET', KEYS[1], 'status')
if not status or not string.find(ARGV[1], status, 1, true) then return status end
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
if ARGV[3] ~= '' then
  redis.call('XADD', KEYS[3], '*', 'event', ARGV[3], 'at', ARGV[4])
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[2]) end
end
return redis.call('HGET', KEYS[1], 'status')
"""


class RunStore:
    """Create, read and end the runs of one tenant. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, keys: Keys, run_ttl_seconds: int) -> None:
        self.keys = keys
        self._redis = redis
        self._run_ttl_seconds = run_ttl_seconds
        self._write_if_live = redis.register_script(_WRITE_IF_LIVE)
        self._transition = redis.register_script(_TRANSITION)

    async def create(self, run: Run) -> None:
        """Keep a new run. Indexed first: a crash in between leaves an id without a record, never a lost record."""
        async with redis_errors():
            await self._redis.sadd(self.keys.active, run.id)
            await self._redis.zadd(self.keys.runs, {run.id: run.created.timestamp()})
            await self._redis.hset(self.keys.run(run.id), mapping=_fields(run))

    async def get(self, run_id: str) -> Run:
        """Raises RunNotFoundError."""
        if not run_id.isalnum():
            raise RunNotFoundError(run_id)
        async with redis_errors():
            record = cast(dict[str, str], await self._redis.hgetall(self.keys.run(run_id)))
            steps = cast(dict[str, str], await self._redis.hgetall(self.keys.steps(run_id)))
        if not record:
            raise RunNotFoundError(run_id)
        fields = {name: json.loads(value) for name, value in record.items()}
        fields["steps"] = {int(step): json.loads(result) for step, result in sorted(steps.items(), key=_step_of)}
        return Run.model_validate(fields)

    async def newest(self, limit: int = 20) -> list[Run]:
        """The newest first. Ids whose records have expired are dropped from the index."""
        runs: list[Run] = []
        start = 0
        while len(runs) < limit:
            async with redis_errors():
                page = await self._redis.zrevrange(self.keys.runs, start, start + limit - 1, withscores=True)
            ids = cast(list[tuple[str, float]], page)
            if not ids:
                break
            start += len(ids)
            for run_id, created in ids:
                try:
                    runs.append(await self.get(run_id))
                except RunNotFoundError:
                    start -= await self._forget(run_id, created)
        return runs[:limit]

    async def active(self) -> list[Run]:
        """The runs that are not terminal."""
        async with redis_errors():
            ids = cast(set[str], await self._redis.smembers(self.keys.active))
        runs: list[Run] = []
        for run_id in sorted(ids):
            try:
                run = await self.get(run_id)
            except RunNotFoundError:
                continue
            if run.status.is_terminal:
                await self._leave_active(run_id)
            else:
                runs.append(run)
        return runs

    async def start(self, run_id: str, at: datetime) -> RunStatus:
        """Mark the run as running. Returns the status that holds now: another one if the run has ended before."""
        fields = {"status": RunStatus.RUNNING.value, "started": at.isoformat()}
        return await self._change(run_id, fields, None, at)

    async def finish(self, final: RunFinished) -> RunStatus:
        """End the run: status, final event and the TTL of all its keys, at once.

        Returns the status that holds now: the earlier one if the run had ended before. Raises RunNotFoundError.
        """
        at = datetime.now(UTC)
        ended: dict[str, Any] = final.model_dump(mode="json", include={"status", "error", "usage", "timings"})
        status = await self._change(final.run_id, {**ended, "finished": at.isoformat()}, final, at)
        await self._leave_active(final.run_id)
        return status

    async def cancel(self, run_id: str, reason: str) -> Run:
        """End the run as cancelled; whoever executes it learns of it at its next write.

        Raises RunNotFoundError, RunEndedError.
        """
        if (await self.get(run_id)).status.is_terminal:
            raise RunEndedError(run_id)
        error = RunError(type="cancelled", message=reason, remedy="start the run again")
        await self.finish(RunFinished(run_id=run_id, status=RunStatus.CANCELLED, error=error))
        return await self.get(run_id)

    async def save_plan(self, run_id: str, plan: Plan) -> None:
        """Raises RunEndedError if the run is terminal."""
        await self.write_if_live(run_id, self.keys.run(run_id), "HSET", "plan", plan.model_dump_json())

    async def save_step(self, run_id: str, result: StepResult) -> None:
        """Raises RunEndedError if the run is terminal."""
        await self.write_if_live(run_id, self.keys.steps(run_id), "HSET", str(result.id), result.model_dump_json())

    async def save_answer(self, run_id: str, answer: str) -> None:
        """Raises RunEndedError if the run is terminal."""
        await self.write_if_live(run_id, self.keys.run(run_id), "HSET", "answer", json.dumps(answer))

    async def write_if_live(self, run_id: str, key: str, command: str, *arguments: str) -> None:
        """Run one Redis command on a key of the run. Raises RunEndedError, nothing written, if the run is terminal."""
        async with redis_errors():
            reply = await self._write_if_live(keys=[self.keys.run(run_id), key], args=[_LIVE, command, *arguments])
        if reply is None:
            raise RunEndedError(run_id)

    async def _change(
        self, run_id: str, fields: Mapping[str, Any], final: RunFinished | None, at: datetime
    ) -> RunStatus:
        event = (self._run_ttl_seconds, final.model_dump_json()) if final else ("", "")
        pairs = [text for name, value in fields.items() for text in (name, json.dumps(value))]
        async with redis_errors():
            status = await self._transition(keys=self.keys.of_run(run_id), args=[_LIVE, *event, at.isoformat(), *pairs])
        if status is None:
            raise RunNotFoundError(run_id)
        return RunStatus(json.loads(status))

    async def _leave_active(self, run_id: str) -> None:
        async with redis_errors():
            await self._redis.srem(self.keys.active, run_id)

    async def _forget(self, run_id: str, created: float) -> int:
        if datetime.now(UTC).timestamp() - created < _FORGET_AFTER_SECONDS:
            return 0  # its record may be on the way
        async with redis_errors():
            await self._redis.srem(self.keys.active, run_id)
            return await self._redis.zrem(self.keys.runs, run_id)


def _fields(run: Run) -> dict[Any, Any]:
    dumped: dict[str, Any] = run.model_dump(mode="json", exclude={"steps"})
    return {name: json.dumps(value) for name, value in dumped.items()}


def _step_of(item: tuple[str, str]) -> int:
    return int(item[0])
