"""The threads of one tenant in Redis: records, turns, and which runs are open."""

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

from redis.asyncio import Redis

from graphs.turn import Turn
from orchestrator.auth import LOCAL
from orchestrator.claimed_run import ClaimedRun
from orchestrator.errors import RunEndedError, RunNotFoundError, RunUnreadableError
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_errors
from orchestrator.run import IfBusy, Run, new_run_id
from orchestrator.run_store import RunStore
from orchestrator.thread import (
    MAX_METADATA_CHARS,
    NUM_PINNED_TURNS,
    THREAD_ID_PATTERN,
    Thread,
    ThreadStatus,
    pinned,
    turn_of,
)
from orchestrator.thread_errors import ThreadBusyError, ThreadExistsError, ThreadNotFoundError, ThreadRefusedError
from orchestrator.thread_scripts import CHANGE, CREATE, DELETE, ENTER, KEEP, LEAVE

_UNQUEUED_SECONDS = 60
_UNQUEUED_TTL_SECONDS = 24 * 3600
Cancel = Callable[[str, str], Awaitable[object]]
"""Ends a run, for a reason. Raises what RunStore.cancel raises."""
_METADATA = "metadata:"
"""Begins the fields of a record that hold a value of its metadata each."""


class ThreadStore:
    """Create, read, change and delete threads; runs enter and leave them. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, keys: Keys, runs: RunStore, ttl_seconds: int) -> None:
        self._redis = redis
        self._keys = keys
        self._runs = runs
        self._ttl_seconds = ttl_seconds
        self._create, self._change = redis.register_script(CREATE), redis.register_script(CHANGE)
        self._enter, self._keep = redis.register_script(ENTER), redis.register_script(KEEP)
        self._leave, self._delete = redis.register_script(LEAVE), redis.register_script(DELETE)

    async def create(
        self, thread_id: str | None = None, metadata: Mapping[str, Any] | None = None, owner: str = LOCAL
    ) -> Thread:
        """A new thread, under this id or one of its own. Raises ThreadRefusedError, ThreadExistsError."""
        now = datetime.now(UTC)
        thread_id = new_run_id(now) if thread_id is None else thread_id
        if not re.fullmatch(THREAD_ID_PATTERN, thread_id):
            reason = f"{thread_id!r} is no id of a thread"
            raise ThreadRefusedError(reason, "use up to 64 letters, digits, -, _ and ., a letter or digit first")
        at = now.isoformat()
        record = {"id": thread_id, "tenant": self._keys.tenant, "owner": owner, "created": at, "updated": at}
        fields = [text for pair in {**record, **_fields(metadata or {})}.items() for text in pair]
        async with redis_errors():
            if not await self._create(keys=self._of(thread_id), args=[self._ttl_seconds, *fields]):
                raise ThreadExistsError(thread_id)
        await self._used(thread_id, now)
        return await self.get(thread_id)

    async def get(self, thread_id: str) -> Thread:
        """Raises ThreadNotFoundError."""
        record_key, turns, _, opened = self._of(thread_id)
        async with redis_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hgetall(record_key)
            pipeline.zcard(turns)
            pipeline.zcard(opened)
            pipeline.zrange(turns, 0, 0)
            record, num_turns, num_open, first = cast(
                tuple[dict[str, str], int, int, list[str]], await pipeline.execute()
            )
        if not record:
            raise ThreadNotFoundError(thread_id)
        metadata = {name.removeprefix(_METADATA): json.loads(record.pop(name)) for name in _metadata_fields(record)}
        fields: dict[str, Any] = {**record, "metadata": metadata, "num_turns": num_turns}
        status = ThreadStatus.BUSY if num_open else ThreadStatus.IDLE
        title = Turn.model_validate_json(first[0]).task if first else ""
        return Thread.model_validate({**fields, "status": status, "title": title})

    async def newest(self, limit: int = 20) -> list[Thread]:
        """Those that were used last, the last one first. Ids whose records have expired are dropped from the index."""
        threads: list[Thread] = []
        start = 0
        while len(threads) < limit:
            async with redis_errors():
                page = cast(list[str], await self._redis.zrevrange(self._keys.threads, start, start + limit - 1))
            if not page:
                break
            start += len(page)
            for thread_id in page:
                try:
                    threads.append(await self.get(thread_id))
                except ThreadNotFoundError:
                    async with redis_errors():
                        start -= await self._redis.zrem(self._keys.threads, thread_id)
        return threads[:limit]

    async def update(self, thread_id: str, metadata: Mapping[str, Any]) -> Thread:
        """Set values of the metadata; one that is None is dropped. Raises ThreadNotFoundError, ThreadRefusedError."""
        now = datetime.now(UTC)
        dropped = [_METADATA + name for name, value in metadata.items() if value is None]
        kept = _fields({name: value for name, value in metadata.items() if value is not None})
        fields = [text for pair in kept.items() for text in pair]
        arguments = [self._ttl_seconds, now.isoformat(), len(dropped), *dropped, *fields]
        async with redis_errors():
            if not await self._change(keys=self._of(thread_id), args=arguments):
                raise ThreadNotFoundError(thread_id)
        await self._used(thread_id, now)
        return await self.get(thread_id)

    async def delete(self, thread_id: str, cancel: Cancel | None = None) -> None:
        """Cancel its open runs, and delete it with all of its runs. Raises ThreadNotFoundError.

        `cancel` may tell whoever has to know, while there is a record. Repeated after it was broken off, it goes on.
        """
        await self.get(thread_id)
        while True:
            async with redis_errors():
                run_ids = cast(list[str], await self._redis.zrange(self._of(thread_id)[2], 0, -1))
            for run_id in run_ids:
                with suppress(RunEndedError, RunNotFoundError, RunUnreadableError):
                    await (cancel or self._runs.cancel)(run_id, "its thread was deleted")
                await self._runs.drop(run_id)
            async with redis_errors():
                is_gone = await self._delete(keys=self._of(thread_id), args=run_ids)
            if is_gone:
                break
        async with redis_errors():
            await self._redis.zrem(self._keys.threads, thread_id)

    async def turns(self, thread_id: str, limit: int) -> list[Turn]:
        """The newest turns, the oldest of them first; none if there is no thread."""
        async with redis_errors():
            kept = cast(list[str], await self._redis.zrange(self._of(thread_id)[1], -limit, -1))
        return [Turn.model_validate_json(turn) for turn in kept]

    async def runs(self, thread_id: str, limit: int) -> list[Run]:
        """Its runs, the newest first. Raises ThreadNotFoundError."""
        await self.get(thread_id)
        async with redis_errors():
            run_ids = cast(list[str], await self._redis.zrevrange(self._of(thread_id)[2], 0, limit - 1))
        found: list[Run] = []
        for run_id in run_ids:
            try:
                found.append(await self._runs.get(run_id))
            except RunNotFoundError:
                continue  # its time to live was over before the thread's
        return found

    async def enter(self, run: Run, if_busy: IfBusy) -> None:
        """A run that is about to be queued is open from now on. Raises ThreadNotFoundError, ThreadBusyError."""
        if not await self._try_to_enter(run, if_busy):
            await self._drop_ended(self._thread_of(run))
            if not await self._try_to_enter(run, if_busy):
                raise ThreadBusyError(self._thread_of(run))

    async def keep(self, run: Run) -> None:
        """The run is queued: the thread lives until it has ended."""
        async with redis_errors():
            await self._keep(keys=self._of(self._thread_of(run)), args=[run.id])

    async def withdraw(self, run: Run) -> None:
        """The run was not queued."""
        await self._let_go(self._thread_of(run), run.id, never_was=True)

    async def settle(self, run_id: str) -> None:
        """A run that has ended leaves its thread, if it has one, and its turn is there. Once or more often."""
        try:
            if await self._runs.thread_of(run_id) is None:
                return
            run = await self._runs.get(run_id)
        except (RunNotFoundError, RunUnreadableError):
            return
        if run.thread_id is not None and run.status.is_terminal:
            await self._let_go(run.thread_id, run.id, turn_of(run))
            await self._used(run.thread_id, datetime.now(UTC))

    async def pin(self, claimed: ClaimedRun) -> tuple[Turn, ...]:
        """What was said before a run: read when it is first claimed, and the same ever after."""
        run = claimed.run
        if run.turns is not None or run.thread_id is None:
            return run.turns or ()
        turns = tuple(pinned(turn) for turn in await self.turns(run.thread_id, NUM_PINNED_TURNS))
        await claimed.pin_turns(turns)
        return turns

    async def _try_to_enter(self, run: Run, if_busy: IfBusy) -> bool:
        now = time.time()
        ttl = max(self._ttl_seconds, _UNQUEUED_TTL_SECONDS)
        is_alone = str(int(if_busy is IfBusy.REJECT))
        arguments = [run.id, run.created.timestamp(), now, now + _UNQUEUED_SECONDS, ttl, is_alone]
        async with redis_errors():
            reply = await self._enter(keys=self._of(self._thread_of(run)), args=arguments)
        if reply == "gone":
            raise ThreadNotFoundError(self._thread_of(run))
        return reply == "entered"

    async def _drop_ended(self, thread_id: str) -> None:
        """Open runs that have ended, or are gone, leave: a cancelled one does so when its turn comes, otherwise."""
        async with redis_errors():
            opened = cast(list[str], await self._redis.zrange(self._of(thread_id)[3], 0, -1))
        for run_id in opened:
            try:
                is_open = not (await self._runs.get(run_id)).status.is_terminal
            except (RunNotFoundError, RunUnreadableError):
                is_open = False
            if not is_open:
                await self._let_go(thread_id, run_id)

    async def _let_go(self, thread_id: str, run_id: str, turn: Turn | None = None, *, never_was: bool = False) -> None:
        said: Sequence[str | float] = []
        if turn is not None:
            said = [turn.model_dump_json(), turn.finished.timestamp() if turn.finished else 0.0]
        at = datetime.now(UTC).isoformat()
        arguments = [run_id, self._ttl_seconds, at, time.time(), str(int(never_was)), *said]
        async with redis_errors():
            await self._leave(keys=self._of(thread_id), args=arguments)

    async def _used(self, thread_id: str, at: datetime) -> None:
        """The newest in the list; a thread that was deleted meanwhile is dropped when it is listed."""
        async with redis_errors():
            await self._redis.zadd(self._keys.threads, {thread_id: at.timestamp()})

    def _of(self, thread_id: str) -> list[str]:
        return self._keys.of_conversation(thread_id)

    def _thread_of(self, run: Run) -> str:
        assert run.thread_id is not None
        return run.thread_id


def _fields(metadata: Mapping[str, Any]) -> dict[str, str]:
    fields = {_METADATA + name: json.dumps(value) for name, value in metadata.items()}
    if long := [name for name, value in fields.items() if len(value) > MAX_METADATA_CHARS]:
        reason = f"metadata {long[0].removeprefix(_METADATA)!r} has more than {MAX_METADATA_CHARS} characters"
        raise ThreadRefusedError(reason, "keep it elsewhere, and its place here")
    return fields


def _metadata_fields(record: Mapping[str, str]) -> list[str]:
    return [name for name in record if name.startswith(_METADATA)]
