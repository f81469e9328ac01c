"""From what is asked to a run that waits for its turn."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from graphs.errors import InvalidPlan, InvalidWorkflow
from graphs.person import PERSON
from graphs.plan import Plan
from graphs.protocols import PLANNER, ExpertClient, Tool
from graphs.run import check_task
from graphs.validation import parse_plan, unknown_experts
from graphs.workflows.checking import name_problems
from graphs.workflows.definition import Workflow
from graphs.workflows.fault import fault_of
from graphs.workflows.inputs import checked_inputs
from graphs.workflows.plans import plan_of
from orchestrator.continuation import Continuation, forked, resumed
from orchestrator.errors import RunNotFoundError, RunRefusedError, ServiceStoppingError
from orchestrator.run import IfBusy, Mode, Run, Scheduling, new_run_id
from orchestrator.run_queue import RunQueue
from orchestrator.run_request import RunRequest
from orchestrator.run_store import RunStore
from orchestrator.settings import Settings
from orchestrator.thread_errors import ThreadBusyError, ThreadNotFoundError
from orchestrator.thread_store import ThreadStore
from orchestrator.worker import Worker
from orchestrator.workflow_catalog import WorkflowCatalog

_OF_A_REQUEST = ("task", "thread_id", "workflow", "inputs", "mode", "limits")
"""What of a run, besides its plan, another request with the same idempotency key must not differ in."""


class RunIntake:
    """Checks what is asked, stores it as a run and puts it into the queue. All methods raise RedisUnavailableError."""

    def __init__(
        self,
        settings: Settings,
        experts: ExpertClient,
        tools: Mapping[str, Tool],
        runs: RunStore,
        queue: RunQueue,
        worker: Worker,
        threads: ThreadStore,
        workflows: WorkflowCatalog,
        *,
        is_private: bool,
    ) -> None:
        self._settings, self._experts = settings, experts
        self._workflows, self._tools = workflows, tools
        self._runs, self._queue, self._worker = runs, queue, worker
        self._threads = threads
        self._is_private = is_private

    async def start(self, request: RunRequest, thread_id: str | None = None) -> Run:
        """Start the run that is asked for, in a thread if one is named. Returns at once.

        `limits` can only lower what the settings allow any run; a workflow's definition is kept as it is now.

        Raises RunRefusedError, TaskError, InvalidPlan, InvalidWorkflow, InvalidInputs, ServiceStoppingError;
        ThreadNotFoundError and ThreadBusyError.
        """
        return await self._accept(self.checked(request, thread_id), request)

    def checked(self, request: RunRequest, thread_id: str | None = None) -> Run:
        """The run that `start` would start. Raises what it raises for the request alone."""
        _check_one_kind(request, thread_id)
        if request.webhook is not None:
            self._settings.check_webhook(request.webhook)
        allowed = self._settings.limits
        run = self._new_run(
            **(self._of_workflow(request) if request.workflow is not None else self._of_task(request)),
            limits=allowed.capped(request.limits) if request.limits else allowed,
            webhook=request.webhook,
            thread_id=thread_id,
            mode=request.mode,
        )
        self._check_place(run, request)
        return run

    def _of_task(self, request: RunRequest) -> dict[str, Any]:
        """Of a task, of a plan (decoded JSON), or of a plan for a task."""
        if request.task is None and request.plan is None:
            raise RunRefusedError("there is neither a task nor a plan", "send a task, a plan, or both")
        if request.plan is not None and request.mode is not Mode.AUTO:
            reason = f"the mode {request.mode.value!r} is for a task without a plan"
            raise RunRefusedError(reason, "leave out mode, or the plan")
        plan = None if request.plan is None else self._parse(request.plan)
        task = request.task
        if task is None:
            assert plan is not None
            task = " ".join(step.text for step in plan.steps)
        check_task(task, self._settings.max_task_chars)
        return {"task": task, "plan": plan, "is_plan_given": plan is not None}

    def _of_workflow(self, request: RunRequest) -> dict[str, Any]:
        """Of a workflow, named or as decoded JSON."""
        workflow = self._workflows.parsed(request.workflow)
        self._check_workflow(workflow)
        inputs = checked_inputs(workflow, request.inputs)
        return {"task": workflow.description or workflow.name, "workflow": workflow, "inputs": inputs}

    async def resume(self, run_id: str) -> Run:
        """A new run that keeps what an ended one has finished, and does the rest.

        Raises RunNotFoundError, RunNotResumableError, ServiceStoppingError.
        """
        run = await self._runs.get(run_id)
        return await self._continue(run, resumed(run, await self._runs.memo(run_id)))

    async def fork(self, run_id: str, step: int, edits: Mapping[str, str]) -> Run:
        """A new run that keeps what an ended one has finished without the step, which is edited and done anew.

        Raises RunNotFoundError, RunNotResumableError, RunRefusedError, InvalidPlan, ServiceStoppingError.
        """
        run = await self._runs.get(run_id)
        if run.workflow and set(edits) - {"result"}:
            raise RunRefusedError("only the result of a workflow's step can be set", "set its result, or edit the file")
        try:
            continuation = forked(run, await self._runs.memo(run_id), step, edits)
        except ValueError as error:
            raise InvalidPlan((str(error),)) from error
        return await self._continue(run, continuation)

    def _check_place(self, run: Run, scheduling: Scheduling) -> None:
        """Raises RunRefusedError if the run cannot wait as it is asked to, or for whom its steps ask."""
        if run.thread_id is not None and scheduling.concurrency is not None:
            raise RunRefusedError("the runs of a thread wait for each other", "leave out concurrency")
        if run.thread_id is None and scheduling.if_busy is not IfBusy.ENQUEUE:
            raise RunRefusedError("if_busy is for the runs of a thread", "leave it out, or start the run in a thread")
        if self._is_private and run.thread_id is not None:
            reason = "a run with tools of its own waits for no other, and a thread's runs do"
            raise RunRefusedError(reason, "leave out the thread, or configure the databases (CCOE_DATABASES)")
        if self._is_private and _asks_a_person(run):
            reason = "a step waits for a person, but a run with tools of its own ends with this process"
            raise RunRefusedError(reason, "configure the databases (CCOE_DATABASES) instead of naming them here")

    def _new_run(self, **fields: Any) -> Run:
        now = datetime.now(UTC)
        attempts = 1 if self._is_private else self._settings.max_attempts
        return Run(id=new_run_id(now), tenant=self._settings.tenant, created=now, max_attempts=attempts, **fields)

    async def _continue(self, earlier: Run, continuation: Continuation) -> Run:
        plan = continuation.plan
        if earlier.workflow:
            self._check_workflow(earlier.workflow)
        elif plan and (faults := unknown_experts(plan.steps, self._expert_names)):
            raise InvalidPlan(faults)
        run = self._new_run(
            task=earlier.task,
            workflow=earlier.workflow,
            inputs=earlier.inputs,
            plan=plan,
            is_plan_given=earlier.is_plan_given,
            limits=earlier.limits,
            resumed_from=earlier.id,
            webhook=earlier.webhook,
            thread_id=continuation.thread_id,
            turns=earlier.turns,
            mode=earlier.mode,
        )
        scheduling = Scheduling(priority=earlier.priority, concurrency=earlier.concurrency)
        self._check_place(run, scheduling)
        return await self._accept(run, scheduling, continuation.memo)

    @property
    def _expert_names(self) -> set[str]:
        return {profile.name for profile in self._experts.profiles()} - {PLANNER}

    async def _accept(self, run: Run, scheduling: Scheduling, memo: Mapping[str, str] | None = None) -> Run:
        if self._worker.is_closed:
            raise ServiceStoppingError
        run = run.model_copy(update={"priority": scheduling.priority, "concurrency": scheduling.concurrency})
        if earlier := await self._earlier(scheduling.idempotency_key):
            return _repeated(run, earlier)
        await self._runs.create(run, memo)
        await self._enter_thread(run, scheduling)
        run_id, lease = await self._queue.put(run, scheduling, is_private=self._is_private)
        if run_id != run.id:
            await self._withdraw(run)
            return _repeated(run, await self._runs.get(run_id))
        await self._runs.keep(run.id)
        if run.thread_id is not None:
            await self._threads.keep(run)
        if lease is not None:
            self._worker.begin(lease)
        return run

    async def _earlier(self, idempotency_key: str | None) -> Run | None:
        """The run that the key has made: its thread may be busy with it. If it was deleted, the key is free again."""
        known = await self._queue.run_of(idempotency_key) if idempotency_key else None
        if known is None or idempotency_key is None:
            return None
        try:
            return await self._runs.get(known)
        except RunNotFoundError:
            await self._queue.forget(idempotency_key, known)
            return None

    async def _enter_thread(self, run: Run, scheduling: Scheduling) -> None:
        if run.thread_id is None:
            return
        try:
            await self._threads.enter(run, scheduling.if_busy)
        except (ThreadNotFoundError, ThreadBusyError):
            await self._runs.drop(run.id)
            raise

    async def _withdraw(self, run: Run) -> None:
        if run.thread_id is not None:
            await self._threads.withdraw(run)
        await self._runs.drop(run.id)

    def _check_workflow(self, workflow: Workflow) -> None:
        if problems := list(name_problems(workflow, self._expert_names, self._tools)):
            raise InvalidWorkflow([fault_of(problem, workflow.name) for problem in problems])
        if workflow.num_steps > self._settings.max_steps:
            reason = f"the workflow has {workflow.num_steps} steps; at most {self._settings.max_steps} are allowed"
            raise RunRefusedError(reason, "shorten it, or raise CCOE_MAX_STEPS")

    def _parse(self, plan: object) -> Plan:
        parsed = parse_plan(plan, self._expert_names)
        if len(parsed.steps) > self._settings.max_steps:
            reason = f"the plan has {len(parsed.steps)} steps; at most {self._settings.max_steps} are allowed"
            raise RunRefusedError(reason, "shorten the plan, or raise CCOE_MAX_STEPS")
        return parsed


def _check_one_kind(request: RunRequest, thread_id: str | None) -> None:
    if request.workflow is None:
        if request.inputs:
            raise RunRefusedError("there are inputs without a workflow", "name the workflow, or leave them out")
        return
    if request.task is not None or request.plan is not None:
        raise RunRefusedError("there is a workflow beside a task or a plan", "send one of them")
    if thread_id is not None or request.mode is not Mode.AUTO:
        reason = "a workflow is no turn of a thread, and no planner is asked"
        raise RunRefusedError(reason, "send it to /api/runs alone")


def _asks_a_person(run: Run) -> bool:
    plan = plan_of(run.workflow) if run.workflow else run.plan
    return plan is not None and any(step.expert == PERSON for step in plan.steps)


def _repeated(run: Run, earlier: Run) -> Run:
    """The run that the same request has made. Raises RunRefusedError if it was another request."""
    is_same_plan = earlier.is_plan_given == run.is_plan_given and (not run.is_plan_given or earlier.plan == run.plan)
    others = [name for name in _OF_A_REQUEST if getattr(earlier, name) != getattr(run, name)]
    others += [] if is_same_plan else ["plan"]
    if others:
        reason = f"the idempotency key belongs to run {earlier.id!r}, which has another {', '.join(others)}"
        raise RunRefusedError(reason, "send a new key with a new request")
    return earlier
