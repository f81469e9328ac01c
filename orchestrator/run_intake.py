"""From what is asked to a run that waits for its turn."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from graphs.budget import Budget
from graphs.errors import InvalidPlan, InvalidWorkflow
from graphs.plan import Plan
from graphs.planner import PLANNER
from graphs.protocols import ExpertClient, Tool
from graphs.run import check_task
from graphs.validation import parse_plan, unknown_experts
from graphs.workflows.checking import name_problems
from graphs.workflows.definition import Workflow
from graphs.workflows.fault import fault_of
from graphs.workflows.inputs import checked_inputs
from orchestrator.continuation import Continuation, forked, resumed
from orchestrator.errors import RunRefusedError, ServiceStoppingError
from orchestrator.run import AT_ONCE, Run, Scheduling, new_run_id
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.settings import Settings
from orchestrator.worker import Worker
from orchestrator.workflow_catalog import WorkflowCatalog


class RunIntake:
    """Checks what is asked, stores it as a run and puts it into the queue. All methods raise RedisUnavailableError."""

    def __init__(
        self,
        settings: Settings,
        experts: ExpertClient,
        runs: RunStore,
        queue: RunQueue,
        worker: Worker,
        *,
        workflows: WorkflowCatalog,
        tools: Mapping[str, Tool],
        is_private: bool,
    ) -> None:
        self._settings, self._experts = settings, experts
        self._workflows, self._tools = workflows, tools
        self._runs, self._queue, self._worker = runs, queue, worker
        self._is_private = is_private

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

    async def submit_workflow(
        self,
        workflow: object,
        inputs: Mapping[str, Any],
        scheduling: Scheduling = AT_ONCE,
        limits: Budget | None = None,
    ) -> Run:
        """Start a run of a workflow, named or as decoded JSON. It keeps the definition as it is now.

        Raises RunRefusedError, InvalidWorkflow, InvalidInputs, ServiceStoppingError.
        """
        parsed = self._workflows.parsed(workflow)
        self._check_workflow(parsed)
        given, allowed = checked_inputs(parsed, inputs), self._settings.limits
        run = self._new_run(
            task=parsed.description or parsed.name,
            workflow=parsed,
            inputs=given,
            limits=allowed.capped(limits) if limits else allowed,
        )
        return await self._accept(run, scheduling)

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
        )
        scheduling = Scheduling(priority=earlier.priority, concurrency=earlier.concurrency)
        return await self._accept(run, scheduling, continuation.memo)

    @property
    def _expert_names(self) -> set[str]:
        return {profile.name for profile in self._experts.profiles()} - {PLANNER}

    async def _accept(self, run: Run, scheduling: Scheduling, memo: Mapping[str, str] | None = None) -> Run:
        if self._worker.is_closed:
            raise ServiceStoppingError
        run = run.model_copy(update={"priority": scheduling.priority, "concurrency": scheduling.concurrency})
        await self._runs.create(run, memo)
        run_id, lease = await self._queue.put(run, scheduling, is_private=self._is_private)
        if run_id != run.id:
            await self._runs.drop(run.id)
            return _repeated(run, await self._runs.get(run_id))
        await self._runs.keep(run.id)
        if lease is not None:
            self._worker.begin(lease)
        return run

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


def _repeated(run: Run, earlier: Run) -> Run:
    """The run that the same request has made. Raises RunRefusedError if it was another request."""
    is_same_plan = earlier.is_plan_given == run.is_plan_given and (not run.is_plan_given or earlier.plan == run.plan)
    is_same_workflow = (earlier.workflow, earlier.inputs) == (run.workflow, run.inputs)
    if earlier.task != run.task or not (is_same_plan and is_same_workflow):
        reason = f"the idempotency key belongs to run {earlier.id!r}, which has another task, plan or workflow"
        raise RunRefusedError(reason, "send a new key with a new request")
    return earlier
