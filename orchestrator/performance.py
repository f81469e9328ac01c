"""What a claimed run does: a workflow's steps, or those of a plan that is there, is made directly, or is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from graphs.events import EventSink, Planned
from graphs.limits import Limits
from graphs.plan_graphs import PlanGraphs
from graphs.planning import Planning
from graphs.protocols import StepCache, Tool
from graphs.run import RunOutcome, run_task
from graphs.turn import Turn
from graphs.workflows.run import run_workflow
from orchestrator.chat_completions import ChatCompletions
from orchestrator.checkpointer import Checkpointer
from orchestrator.claimed_run import ClaimedRun
from orchestrator.direct_path import plan_directly
from orchestrator.expert_host import ExpertHost
from orchestrator.gate_prior import GatePrior
from orchestrator.plan_memo import RedisPlanMemo
from orchestrator.prefetching import prefetching
from orchestrator.run import Mode, Run
from orchestrator.settings import Settings
from orchestrator.step_memo import RedisStepMemo
from orchestrator.thread_store import ThreadStore


@dataclass(frozen=True, slots=True)
class Performance:
    """Everything that runs are performed with; see `execution.Perform`."""

    settings: Settings
    experts: ExpertHost
    tools: Mapping[str, Tool]
    threads: ThreadStore
    checkpointer: Checkpointer
    graphs: PlanGraphs
    """They leave their checkpoints there."""
    cache: StepCache | None

    async def perform(self, claimed: ClaimedRun, sink: EventSink) -> RunOutcome:
        """From where the memo ends to the answer, or to a question that a person has not answered."""
        run = claimed.run
        if run.fence > 1:
            # LangGraph would go on where the graph stood, and the recorder not hear of what the memo has
            await self.checkpointer.adelete_thread(run.id)
        turns = await self.threads.pin(claimed)
        if run.workflow:
            perform = partial(run_workflow, run.workflow, run.inputs)
        else:
            plan = claimed.planned or run.plan or await self._direct_plan(run, turns)
            planning = Planning(GatePrior(self.experts), ChatCompletions.of(self.settings))
            drafts = RedisPlanMemo(claimed)
            perform = partial(run_task, run.task, plan=plan, planning=planning, plan_memo=drafts, turns=turns)
        async with prefetching(sink, self.experts) as sink:
            return await perform(
                client=self.experts,
                tools=self.tools,
                sink=sink,
                limits=self._limits(run),
                memo=RedisStepMemo(claimed),
                graphs=self.graphs,
                run_id=run.id,
                spent=run.spent,
                cache=self.cache,
            )

    def _limits(self, run: Run) -> Limits:
        return Limits(
            max_task_chars=self.settings.max_task_chars,
            max_steps=self.settings.max_steps,
            max_rounds=self.settings.max_rounds,
            speculate=self.settings.speculate,
            budget=run.limits,
            policy=self.settings.step_policy,
        )

    async def _direct_plan(self, run: Run, turns: Sequence[Turn]) -> Planned | None:
        is_off = run.mode is Mode.AUTO and self.settings.direct == "off"
        return await plan_directly(run.task, turns, Mode.PLAN if is_off else run.mode, self.experts, self.tools)
