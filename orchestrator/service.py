"""The one object that HTTP and command line use."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from redis.asyncio import Redis

from graphs.events import EventSink
from graphs.plan import Plan
from graphs.planner import PLANNER
from graphs.protocols import Tool
from graphs.validation import parse_plan
from graphs.workflow import Limits, RunOutcome, check_task, run_task
from orchestrator.errors import RedisUnavailableError, RunRefusedError, ServiceStoppingError
from orchestrator.events import TraceEntry
from orchestrator.executor import INSIST_SECONDS, Executor
from orchestrator.expert_audit import ExpertAudit
from orchestrator.expert_host import ExpertHost, OpenExperts
from orchestrator.expert_lifecycle import ExpertLifecycle
from orchestrator.gate_answer import GateAnswer
from orchestrator.keys import Keys
from orchestrator.prefetching import prefetching
from orchestrator.redis_connection import redis_connection, redis_errors
from orchestrator.run import Run, new_run_id
from orchestrator.run_store import RunStore
from orchestrator.settings import Settings
from orchestrator.tools import configured_tools
from orchestrator.trace_store import FROM_THE_START, TraceStore
from orchestrator.worker import BEAT_SECONDS, Worker, end_abandoned_runs

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service can do its work, and why not."""

    redis: str
    engine: str

    @property
    def is_ready(self) -> bool:
        return self.redis == self.engine == "ok"


class Service:
    """Submit, watch and cancel runs. Opened by `open`; all methods raise RedisUnavailableError."""

    def __init__(self, settings: Settings, redis: Redis, experts: ExpertHost, tools: Mapping[str, Tool]) -> None:
        keys = Keys(settings.tenant)
        self.experts = experts
        self.lifecycle = ExpertLifecycle(experts, ExpertAudit(redis, keys))
        self.runs = RunStore(redis, keys, settings.run_ttl_seconds)
        self.traces = TraceStore(redis, self.runs)
        self._settings = settings
        self._redis = redis
        self._tools = tools
        self._worker = Worker(redis, keys)
        self._executor = Executor(self.runs, self.traces, self._perform, settings.max_concurrent_runs)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, open_experts: OpenExperts) -> AsyncGenerator[Self]:
        """Redis, tools and experts, in this order; runs that are left at the end are marked as cancelled."""
        async with redis_connection(settings) as redis:
            tools = configured_tools(settings)
            async with open_experts(settings) as experts:
                service = cls(settings, redis, experts, tools)
                await service._worker.beat()
                await end_abandoned_runs(redis, service.runs)
                beating = asyncio.create_task(service._beat())
                try:
                    yield service
                finally:
                    await service.stop_runs()
                    while not beating.done():
                        beating.cancel()
                        await asyncio.wait({beating}, timeout=INSIST_SECONDS)
                    await service._leave()

    async def submit(self, task: str | None, plan: object = None) -> Run:
        """Start a run of a task, of a plan (decoded JSON), or of a plan for a task. Returns at once.

        Raises RunRefusedError, TaskError, InvalidPlan, ServiceStoppingError.
        """
        if self._executor.is_closed:
            raise ServiceStoppingError
        if task is None and plan is None:
            raise RunRefusedError("there is neither a task nor a plan", "send a task, a plan, or both")
        parsed = None if plan is None else self._parse(plan)
        if task is None:
            assert parsed is not None
            task = " ".join(step.text for step in parsed.steps)
        check_task(task, self._settings.max_task_chars)
        now = datetime.now(UTC)
        run = Run(
            id=new_run_id(now),
            tenant=self._settings.tenant,
            task=task,
            worker=self._worker.id,
            created=now,
            is_plan_given=parsed is not None,
            plan=parsed,
        )
        await self.runs.create(run)
        self._executor.start(run)
        return run

    async def cancel(self, run_id: str, reason: str = "cancelled on request") -> Run:
        """End the run as cancelled, wherever it is executed. Raises RunNotFoundError, RunEndedError."""
        if not self._executor.cancel(run_id, reason):
            return await self.runs.cancel(run_id, reason)
        await self._executor.wait(run_id)
        return await self.runs.get(run_id)

    def events(self, run_id: str, after: str = FROM_THE_START) -> AsyncIterator[TraceEntry]:
        """The run's trace behind `after`, followed to its end. Raises RunNotFoundError."""
        return self.traces.follow(run_id, after)

    async def gate(self, text: str) -> GateAnswer:
        """The expert for a text, and why; nothing is stored. Raises TaskError, or an ExpertError."""
        check_task(text, self._settings.max_task_chars)
        return await self.experts.gate(text)

    async def wait(self, run_id: str) -> None:
        """Return when this process no longer works on the run."""
        await self._executor.wait(run_id)

    async def health(self) -> Health:
        """What works now."""
        engine = "ok" if self.experts.profiles() else "there are no experts"
        try:
            async with redis_errors():
                await self._redis.ping()
        except RedisUnavailableError as error:
            return Health(error.message, engine)
        return Health("ok", engine)

    async def stop_runs(self) -> None:
        """Mark the runs of this process as cancelled, because it ends."""
        await self._executor.close("stopped by the operator")

    def _parse(self, plan: object) -> Plan:
        parsed = parse_plan(plan, {profile.name for profile in self.experts.profiles()} - {PLANNER})
        if len(parsed.steps) > self._settings.max_steps:
            reason = f"the plan has {len(parsed.steps)} steps; at most {self._settings.max_steps} are allowed"
            raise RunRefusedError(reason, "shorten the plan, or raise CCOE_MAX_STEPS")
        return parsed

    async def _perform(self, run: Run, sink: EventSink) -> RunOutcome:
        limits = Limits(max_task_chars=self._settings.max_task_chars, max_steps=self._settings.max_steps)
        async with prefetching(sink, self.experts) as sink:
            return await run_task(
                run.task, client=self.experts, tools=self._tools, sink=sink, plan=run.plan, limits=limits
            )

    async def _beat(self) -> None:
        while True:
            try:
                await self._worker.beat()
                await self._executor.reconcile()
                await end_abandoned_runs(self._redis, self.runs)
            except RedisUnavailableError as error:
                _LOG.warning("%s", error)
            await asyncio.sleep(BEAT_SECONDS)

    async def _leave(self) -> None:
        try:
            await self._worker.leave()
        except RedisUnavailableError as error:
            _LOG.warning("%s", error)
