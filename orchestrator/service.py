"""The one object that HTTP and command line use."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from redis.asyncio import Redis

from graphs.budget import Budget
from graphs.events import EventSink
from graphs.limits import Limits
from graphs.protocols import Tool
from graphs.run import RunOutcome, check_task, run_task
from graphs.state import STATE_CLASSES
from graphs.workflows.run import run_workflow
from orchestrator.api_key_store import ApiKeyStore
from orchestrator.checkpoint_store import CheckpointStore
from orchestrator.checkpointer import Checkpointer
from orchestrator.claimed_run import ClaimedRun
from orchestrator.errors import RedisUnavailableError
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
from orchestrator.run import AT_ONCE, Run, Scheduling
from orchestrator.run_intake import RunIntake
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.settings import Settings
from orchestrator.step_memo import RedisStepMemo
from orchestrator.tools import open_tools
from orchestrator.trace_store import FROM_THE_START, TraceStore
from orchestrator.worker import Worker
from orchestrator.workflow_catalog import WorkflowCatalog

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
        self._queue = RunQueue(redis, keys, self.worker_id, settings.run_ttl_seconds)
        self._heartbeat = Heartbeat(redis_url(settings), self.worker_id)
        self._worker = Worker(self.runs, self._queue, self._heartbeat, self._perform, settings.max_concurrent_runs)
        self.workflows = WorkflowCatalog(settings.workflows)
        self._intake = RunIntake(
            settings,
            experts,
            self.runs,
            self._queue,
            self._worker,
            workflows=self.workflows,
            tools=tools,
            is_private=is_private,
        )

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
        """Start a run; see RunIntake.submit."""
        return await self._intake.submit(task, plan, scheduling, limits)

    async def submit_workflow(
        self,
        workflow: object,
        inputs: Mapping[str, Any],
        scheduling: Scheduling = AT_ONCE,
        limits: Budget | None = None,
    ) -> Run:
        """Start a run of a workflow; see RunIntake.submit_workflow."""
        return await self._intake.submit_workflow(workflow, inputs, scheduling, limits)

    async def resume(self, run_id: str) -> Run:
        """Start a run that goes on from an ended one; see RunIntake.resume."""
        return await self._intake.resume(run_id)

    async def fork(self, run_id: str, step: int, edits: Mapping[str, str]) -> Run:
        """Start a run that differs from an ended one from a step on; see RunIntake.fork."""
        return await self._intake.fork(run_id, step, edits)

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
            perform = (
                partial(run_workflow, run.workflow, run.inputs)
                if run.workflow
                else partial(run_task, run.task, plan=claimed.planned or run.plan)
            )
            return await perform(
                client=self.experts,
                tools=self._tools,
                sink=sink,
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
