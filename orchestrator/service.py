"""The one object that HTTP and command line use."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from redis.asyncio import Redis

from graphs.budget import Budget
from graphs.plan_graphs import PlanGraphs
from graphs.protocols import PLANNER, Tool
from graphs.run import check_task
from graphs.state import STATE_CLASSES
from orchestrator.agenda_worker import AgendaWorker
from orchestrator.answer_store import AnswerStore
from orchestrator.api_key_store import ApiKeyStore
from orchestrator.cancellation import Cancellation
from orchestrator.checkpoint_store import CheckpointStore
from orchestrator.checkpointer import Checkpointer
from orchestrator.delivery_store import DeliveryStore
from orchestrator.errors import RedisUnavailableError
from orchestrator.events import TraceEntry
from orchestrator.execution import INSIST_SECONDS
from orchestrator.expert_audit import ExpertAudit
from orchestrator.expert_host import ExpertHost, OpenExperts
from orchestrator.expert_lifecycle import ExpertLifecycle
from orchestrator.gate_answer import GateAnswer
from orchestrator.heartbeat import Heartbeat
from orchestrator.keys import Keys
from orchestrator.performance import Performance
from orchestrator.redis_connection import check_writable, redis_connection, redis_url
from orchestrator.run import AT_ONCE, Mode, Run, Scheduling
from orchestrator.run_check import RunCheck
from orchestrator.run_intake import RunIntake
from orchestrator.run_queue import RunQueue
from orchestrator.run_request import RunRequest
from orchestrator.run_store import RunStore
from orchestrator.schedule_store import ScheduleStore
from orchestrator.scheduler import Scheduler
from orchestrator.settings import Settings
from orchestrator.step_cache import RedisStepCache
from orchestrator.thread_store import ThreadStore
from orchestrator.tools import open_tools
from orchestrator.trace_store import FROM_THE_START, TraceStore
from orchestrator.webhook import Webhook
from orchestrator.webhook_sender import WebhookSender
from orchestrator.worker import Worker
from orchestrator.workflow_catalog import WorkflowCatalog

_MAX_SCHEDULES_AT_ONCE = 4
_MAX_DELIVERIES_AT_ONCE = 16
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
        self.runs = RunStore(redis, keys, settings.run_ttl_seconds, settings.trace_limits)
        self.traces = TraceStore(redis, self.runs)
        self.threads = ThreadStore(redis, keys, self.runs, settings.run_ttl_seconds)
        self.checkpointer = Checkpointer(CheckpointStore(redis, keys, settings.run_ttl_seconds), STATE_CLASSES)
        self.schedules = ScheduleStore(redis, keys, settings.run_ttl_seconds)
        self._scheduler = Scheduler(self.schedules, self.runs, self.start)
        self.deliveries = DeliveryStore(redis, keys, settings)
        self._settings = settings
        self._redis = redis
        self._tools = tools
        self._queue = RunQueue(
            redis, keys, self.worker_id, settings.run_ttl_seconds, settings.retention.recent, self.deliveries.announce
        )
        self.answers = AnswerStore(redis, self.runs, self._queue)
        self._cancellation = Cancellation(self.runs, self._queue, self.deliveries)
        self._heartbeat = Heartbeat(redis_url(settings), self.worker_id)
        graphs, cache = PlanGraphs(self.checkpointer), RedisStepCache.of(settings, redis, keys)
        perform = Performance(settings, experts, tools, self.threads, self.checkpointer, graphs, cache).perform
        limit, settle = settings.max_concurrent_runs, self.threads.settle
        self._worker = Worker(self.runs, self._queue, self._heartbeat, perform, limit, settle)
        self.workflows = WorkflowCatalog(settings.workflows)
        self._check = RunCheck(settings, self._expert_names, tools, self.workflows, is_private=is_private)
        stores = (self.runs, self._queue, self._worker, self.threads)
        self._intake = RunIntake(self._check, *stores, is_private=is_private)

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
                    working = set() if is_private else service._begin()
                    try:
                        yield service
                    finally:
                        await service.stop_runs()
                        while working:
                            for task in working:
                                task.cancel()
                            _, working = await asyncio.wait(working, timeout=INSIST_SECONDS)
                        await service._leave()

    def _begin(self) -> set[asyncio.Task[None]]:
        """Take runs from the queue, make those of schedules, tell webhooks."""
        sender = WebhookSender(self.deliveries, self._settings)
        scheduling = AgendaWorker(self.schedules.agenda, self._scheduler.attend, max_at_once=_MAX_SCHEDULES_AT_ONCE)
        telling = AgendaWorker(self.deliveries.agenda, sender.attend, max_at_once=_MAX_DELIVERIES_AT_ONCE)
        return {asyncio.create_task(part.work()) for part in (self._worker, scheduling, telling)}

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The configured tools by name."""
        return self._tools

    async def submit(
        self,
        task: str | None,
        plan: object = None,
        scheduling: Scheduling = AT_ONCE,
        limits: Budget | None = None,
        webhook: Webhook | None = None,
        *,
        thread_id: str | None = None,
        mode: Mode = Mode.AUTO,
    ) -> Run:
        """Start a run of a task, a plan, or a plan for a task; see RunIntake.start."""
        request = RunRequest(**dict(scheduling), task=task, plan=plan, limits=limits, webhook=webhook, mode=mode)
        return await self.start(request, thread_id)

    async def submit_workflow(
        self,
        workflow: object,
        inputs: Mapping[str, Any],
        scheduling: Scheduling = AT_ONCE,
        limits: Budget | None = None,
    ) -> Run:
        """Start a run of a workflow; see RunIntake.start."""
        return await self.start(RunRequest(**dict(scheduling), workflow=workflow, inputs=dict(inputs), limits=limits))

    async def start(self, request: RunRequest, thread_id: str | None = None) -> Run:
        """Start the run that is asked for; see RunIntake.start."""
        return await self._intake.start(request, thread_id)

    def check(self, request: RunRequest) -> None:
        """Raises what `start` would raise now for the request alone."""
        self._check.checked(request)

    async def run_schedule(self, schedule_id: str) -> Run:
        """Start a run of a schedule now; see Scheduler.run_now."""
        return await self._scheduler.run_now(schedule_id)

    async def resume(self, run_id: str) -> Run:
        """Start a run that goes on from an ended one; see RunIntake.resume."""
        return await self._intake.resume(run_id)

    async def fork(self, run_id: str, step: int, edits: Mapping[str, str]) -> Run:
        """Start a run that differs from an ended one from a step on; see RunIntake.fork."""
        return await self._intake.fork(run_id, step, edits)

    async def cancel(self, run_id: str, reason: str = "cancelled on request") -> Run:
        """End the run as cancelled, wherever it is executed. Raises RunNotFoundError, RunEndedError."""
        run = await self._cancellation.cancel(run_id, reason)
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
            await check_writable(self._redis, self.runs.keys)
        except RedisUnavailableError as error:
            return Health(error.message, engine)
        return Health("ok", engine)

    async def stop_runs(self) -> None:
        """Hand the runs of this process back to the queue, because it ends."""
        await self._worker.close()

    def _expert_names(self) -> set[str]:
        """Those that a step may name."""
        return {profile.name for profile in self.experts.profiles()} - {PLANNER}

    async def _leave(self) -> None:
        try:
            await self._queue.leave()
        except RedisUnavailableError as error:
            _LOG.warning("%s", error)
