"""The one object that HTTP and command line use."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from redis.asyncio import Redis

from graphs.budget import Budget
from graphs.errors import InvalidPlan
from graphs.events import EventSink
from graphs.limits import Limits
from graphs.plan import Plan
from graphs.planner import PLANNER
from graphs.protocols import Tool
from graphs.state import STATE_CLASSES
from graphs.validation import parse_plan, unknown_experts
from graphs.workflow import RunOutcome, check_task, run_task
from orchestrator.api_key_store import ApiKeyStore
from orchestrator.checkpoint_store import CheckpointStore
from orchestrator.checkpointer import Checkpointer
from orchestrator.claimed_run import ClaimedRun
from orchestrator.continuation import Continuation, forked, resumed
from orchestrator.errors import RedisUnavailableError, RunRefusedError, ServiceStoppingError
from orchestrator.events import TraceEntry
from orchestrator.execution import INSIST_SECONDS
from orchestrator.expert_audit import ExpertAudit
from orchestrator.expert_host import ExpertHost, OpenExperts
from orchestrator.expert_lifecycle import ExpertLifecycle
from orchestrator.gate_answer import GateAnswer
from orchestrator.heartbeat import Heartbeat
from orchestrator.keys import Keys
from orchestrator.prefetching import prefetching
from orchestrator.redis_connection import redis_connection, redis_errors, redis_url
from orchestrator.run import AT_ONCE, Run, Scheduling, new_run_id
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.settings import Settings
from orchestrator.step_memo import RedisStepMemo
from orchestrator.tools import open_tools
from orchestrator.trace_store import FROM_THE_START, TraceStore
from orchestrator.worker import Worker

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

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        experts: ExpertHost,
        tools: Mapping[str, Tool],
        *,
        is_private: bool = False,
    ) -> None:
        keys = Keys(settings.tenant)
        self.worker_id = secrets.token_hex(8)
        """This process in the records of its runs."""
        self.experts = experts
        self.api_keys = ApiKeyStore(redis, keys)
        self.lifecycle = ExpertLifecycle(experts, ExpertAudit(redis, keys))
        self.runs = RunStore(redis, keys, settings.run_ttl_seconds)
        self.traces = TraceStore(redis, self.runs)
        self.checkpointer = Checkpointer(CheckpointStore(redis, keys, settings.run_ttl_seconds), STATE_CLASSES)
        self._settings = settings
        self._redis = redis
        self._tools = tools
        self._is_private = is_private
        self._queue = RunQueue(redis, keys, self.worker_id, settings.run_ttl_seconds)
        self._heartbeat = Heartbeat(redis_url(settings), self.worker_id)
        self._worker = Worker(self.runs, self._queue, self._heartbeat, self._perform, settings.max_concurrent_runs)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, open_experts: OpenExperts, *, is_private: bool = False
    ) -> AsyncGenerator[Self]:
        """Redis, tools and experts, in this order; runs that are left at the end are handed back to the queue.

        A private service has tools or experts that others have not: it executes its own runs, once, and no others.
        """
        async with redis_connection(settings) as redis:
            tools_file = settings.read_tools()
            async with open_tools(settings, tools_file) as tools, open_experts(settings) as experts:
                service = cls(settings, redis, experts, tools, is_private=is_private)
                await service._queue.enter()
                with service._heartbeat:
                    working = None if is_private else asyncio.create_task(service._worker.work())
                    try:
                        yield service
                    finally:
                        await service.stop_runs()
                        while working and not working.done():
                            working.cancel()
                            await asyncio.wait({working}, timeout=INSIST_SECONDS)
                        await service._leave()

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The configured tools by name."""
        return self._tools

    async def submit(
        self, task: str | None, plan: object = None, scheduling: Scheduling = AT_ONCE, limits: Budget | None = None
    ) -> Run:
        """Start a run of a task, of a plan (decoded JSON), or of a plan for a task. Returns at once.

        `limits` can only lower what the settings allow any run.

        Raises RunRefusedError, TaskError, InvalidPlan, ServiceStoppingError.
        """
        if task is None and plan is None:
            raise RunRefusedError("there is neither a task nor a plan", "send a task, a plan, or both")
        parsed = None if plan is None else self._parse(plan)
        if task is None:
            assert parsed is not None
            task = " ".join(step.text for step in parsed.steps)
        check_task(task, self._settings.max_task_chars)
        allowed = self._settings.limits
        run = self._new_run(
            task=task,
            plan=parsed,
            is_plan_given=parsed is not None,
            limits=allowed.capped(limits) if limits else allowed,
        )
        return await self._accept(run, scheduling)

    async def resume(self, run_id: str) -> Run:
        """A new run that keeps what an ended one has finished, and does the rest.

        Raises RunNotFoundError, RunNotResumableError, ServiceStoppingError.
        """
        run = await self.runs.get(run_id)
        return await self._continue(run, resumed(run, await self.runs.memo(run_id)))

    async def fork(self, run_id: str, step: int, edits: Mapping[str, str]) -> Run:
        """A new run that keeps what an ended one has finished without the step, which is edited and done anew.

        Raises RunNotFoundError, RunNotResumableError, RunRefusedError, InvalidPlan, ServiceStoppingError.
        """
        run = await self.runs.get(run_id)
        try:
            continuation = forked(run, await self.runs.memo(run_id), step, edits)
        except ValueError as error:
            raise InvalidPlan((str(error),)) from error
        return await self._continue(run, continuation)

    async def cancel(self, run_id: str, reason: str = "cancelled on request") -> Run:
        """End the run as cancelled, wherever it is executed. Raises RunNotFoundError, RunEndedError."""
        run = await self.runs.cancel(run_id, reason)
        self._worker.look(run_id)
        return run

    def events(self, run_id: str, after: str = FROM_THE_START) -> AsyncIterator[TraceEntry]:
        """The run's trace behind `after`, followed to its end. Raises RunNotFoundError."""
        return self.traces.follow(run_id, after)

    async def wait(self, run_id: str) -> Run:
        """The run when it is terminal. Raises RunNotFoundError."""
        await self.traces.until_ended(run_id)
        return await self.runs.get(run_id)

    async def gate(self, text: str) -> GateAnswer:
        """The expert for a text, and why; nothing is stored. Raises TaskError, or an ExpertError."""
        check_task(text, self._settings.max_task_chars)
        return await self.experts.gate(text)

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
        """Hand the runs of this process back to the queue, because it ends."""
        await self._worker.close()

    def _new_run(self, **fields: Any) -> Run:
        now = datetime.now(UTC)
        attempts = 1 if self._is_private else self._settings.max_attempts
        return Run(id=new_run_id(now), tenant=self._settings.tenant, created=now, max_attempts=attempts, **fields)

    async def _continue(self, earlier: Run, continuation: Continuation) -> Run:
        plan = continuation.plan
        if plan and (faults := unknown_experts(plan.steps, self._expert_names)):
            raise InvalidPlan(faults)
        run = self._new_run(
            task=earlier.task,
            plan=plan,
            is_plan_given=earlier.is_plan_given,
            limits=earlier.limits,
            resumed_from=earlier.id,
        )
        scheduling = Scheduling(priority=earlier.priority, concurrency=earlier.concurrency)
        return await self._accept(run, scheduling, continuation.memo)

    @property
    def _expert_names(self) -> set[str]:
        return {profile.name for profile in self.experts.profiles()} - {PLANNER}

    async def _accept(self, run: Run, scheduling: Scheduling, memo: Mapping[str, str] | None = None) -> Run:
        if self._worker.is_closed:
            raise ServiceStoppingError
        run = run.model_copy(update={"priority": scheduling.priority, "concurrency": scheduling.concurrency})
        await self.runs.create(run, memo)
        run_id, lease = await self._queue.put(run, scheduling, is_private=self._is_private)
        if run_id != run.id:
            await self.runs.drop(run.id)
            return _repeated(run, await self.runs.get(run_id))
        await self.runs.keep(run.id)
        if lease is not None:
            self._worker.begin(lease)
        return run

    def _parse(self, plan: object) -> Plan:
        parsed = parse_plan(plan, self._expert_names)
        if len(parsed.steps) > self._settings.max_steps:
            reason = f"the plan has {len(parsed.steps)} steps; at most {self._settings.max_steps} are allowed"
            raise RunRefusedError(reason, "shorten the plan, or raise CCOE_MAX_STEPS")
        return parsed

    async def _perform(self, claimed: ClaimedRun, sink: EventSink) -> RunOutcome:
        run = claimed.run
        limits = Limits(
            max_task_chars=self._settings.max_task_chars,
            max_steps=self._settings.max_steps,
            max_rounds=self._settings.max_rounds,
            budget=run.limits,
            policy=self._settings.step_policy,
        )
        if run.fence > 1:
            # LangGraph would go on where the graph stood, and the recorder not hear of what the memo has
            await self.checkpointer.adelete_thread(run.id)
        async with prefetching(sink, self.experts) as sink:
            return await run_task(
                run.task,
                client=self.experts,
                tools=self._tools,
                sink=sink,
                plan=claimed.planned or run.plan,
                limits=limits,
                memo=RedisStepMemo(claimed),
                checkpointer=self.checkpointer,
                run_id=run.id,
            )

    async def _leave(self) -> None:
        try:
            await self._queue.leave()
        except RedisUnavailableError as error:
            _LOG.warning("%s", error)


def _repeated(run: Run, earlier: Run) -> Run:
    """The run that the same request has made. Raises RunRefusedError if it was another request."""
    is_same_plan = earlier.is_plan_given == run.is_plan_given and (not run.is_plan_given or earlier.plan == run.plan)
    if earlier.task != run.task or not is_same_plan:
        reason = f"the idempotency key belongs to run {earlier.id!r}, which has another task or plan"
        raise RunRefusedError(reason, "send a new key with a new request")
    return earlier
