"""Whether what is asked can become a run; needs neither Redis nor loaded experts."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from graphs.errors import InvalidPlan, InvalidWorkflow
from graphs.person import PERSON
from graphs.plan import Plan
from graphs.protocols import Tool
from graphs.run import check_task
from graphs.validation import parse_plan, unknown_experts
from graphs.workflows.checking import name_problems
from graphs.workflows.definition import Workflow
from graphs.workflows.fault import fault_of
from graphs.workflows.inputs import checked_inputs
from graphs.workflows.plans import plan_of
from orchestrator.continuation import Continuation
from orchestrator.errors import RunRefusedError
from orchestrator.run import IfBusy, Mode, Run, Scheduling, new_run_id
from orchestrator.run_request import RunRequest
from orchestrator.settings import Settings
from orchestrator.workflow_catalog import WorkflowCatalog


class RunCheck:
    """Makes a run of a request, or says what is wrong with it. `expert_names` are those that a step may name."""

    def __init__(
        self,
        settings: Settings,
        expert_names: Callable[[], Collection[str]],
        tools: Mapping[str, Tool],
        workflows: WorkflowCatalog,
        *,
        is_private: bool = False,
    ) -> None:
        self._settings, self._expert_names = settings, expert_names
        self._workflows, self._tools = workflows, tools
        self._is_private = is_private

    def checked(self, request: RunRequest, thread_id: str | None = None) -> Run:
        """The run that a request is, in a thread if one is named.

        `limits` can only lower what the settings allow any run; a workflow's definition is kept as it is now.

        Raises RunRefusedError, TaskError, InvalidPlan, InvalidWorkflow, InvalidInputs.
        """
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

    def continued(self, earlier: Run, continuation: Continuation) -> Run:
        """The run that goes on from an ended one. Raises RunRefusedError, InvalidPlan, InvalidWorkflow."""
        plan = continuation.plan
        if earlier.workflow:
            self._check_workflow(earlier.workflow)
        elif plan and (faults := unknown_experts(plan.steps, self._expert_names())):
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
        self._check_place(run, Scheduling(concurrency=earlier.concurrency))
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

    def _check_workflow(self, workflow: Workflow) -> None:
        if problems := list(name_problems(workflow, self._expert_names(), self._tools)):
            raise InvalidWorkflow([fault_of(problem, workflow.name) for problem in problems])
        if workflow.num_steps > self._settings.max_steps:
            reason = f"the workflow has {workflow.num_steps} steps; at most {self._settings.max_steps} are allowed"
            raise RunRefusedError(reason, "shorten it, or raise CCOE_MAX_STEPS")

    def _parse(self, plan: object) -> Plan:
        parsed = parse_plan(plan, self._expert_names())
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
