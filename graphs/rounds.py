"""Rounds of planning: the steps of each are a graph of their own, and the outer graph goes round until one answers.

START ─► round ─► END            inside: r1.s1 … ─► joiner, then r2.s4 … ─► joiner
          ▲  │ no answer yet
          └──┘
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph

from graphs.budget import Meter
from graphs.compile import Join, RunStep, compile_plan
from graphs.dispatch import Dispatcher
from graphs.errors import BudgetExhausted, GenerationError, RunStopped
from graphs.events import Answered, AnswerWanted, EventSink, Planned, StepResult
from graphs.joiner import Joiner
from graphs.limits import Limits
from graphs.plan import Plan
from graphs.plan_graphs import PlanContext, PlanGraphs
from graphs.planning import PlanWriter
from graphs.protocols import ExpertClient, StepCache, StepMemo, Tool
from graphs.speculation import Speculation
from graphs.state import Results, merge_results
from graphs.step_runner import StepRunner
from graphs.turn import Turn

ROUND = "round"


class RoundsState(TypedDict):
    """The state of the outer graph: what was planned, round by round, what was found, and the answer."""

    planned: Annotated[tuple[Planned, ...], operator.add]
    results: Annotated[Results, merge_results]
    answer: Answered | None


@dataclass(frozen=True, slots=True)
class Saving:
    """The graphs of the rounds, and the thread in which they leave their checkpoints."""

    graphs: PlanGraphs
    thread_id: str

    @property
    def options(self) -> dict[str, Any]:
        """How LangGraph is told of both."""
        if self.graphs.checkpointer is None:
            return {}
        config: RunnableConfig = {"configurable": {"thread_id": self.thread_id, "run_id": self.thread_id}}
        # written while the next steps run: what the last write would tell is in the steps' own results too
        return {"config": config, "durability": "async"}

    async def invoke(self, plan: Plan, run_step: RunStep, join: Join, inputs: Any) -> dict[str, Any]:
        """Run the graph of a plan."""
        context = PlanContext({step.id: step for step in plan.steps}, run_step, join)
        return await self.graphs.of(plan).ainvoke(inputs, context=context, **self.options)


@dataclass(slots=True)
class Rounds:
    """The rounds of one run."""

    task: str
    client: ExpertClient
    tools: Mapping[str, Tool]
    sink: EventSink
    limits: Limits
    meter: Meter
    planner: PlanWriter
    speculation: Speculation
    saving: Saving
    memo: StepMemo | None = None
    turns: tuple[Turn, ...] = ()
    """Earlier ones of the thread."""
    cache: StepCache | None = None
    stopped: RunStopped | None = None
    """Why the run ended early."""
    wanted: tuple[AnswerWanted, ...] = ()
    """What persons have not answered: the graph was interrupted, and there is no answer yet."""
    results: Results = field(default_factory=dict[int, StepResult])
    """Of the last round, those of the earlier ones included."""

    async def run(self, planned: Planned) -> RoundsState:
        """Run what is planned, and plan again while there is no result and another round is left."""
        state = RoundsState(planned=(planned,), results={}, answer=None)
        if self.limits.max_rounds == 1:
            # without the outer graph: it would go round once
            found = await self._round(state)
            return RoundsState(planned=(planned,), results=found["results"], answer=found["answer"])
        graph = StateGraph(RoundsState)
        graph.add_node(ROUND, self._round)
        graph.add_edge(START, ROUND)
        graph.add_conditional_edges(ROUND, _next, [ROUND, END])
        compiled = graph.compile(self.saving.graphs.checkpointer)
        found = await compiled.ainvoke(state, **self.saving.options)
        return RoundsState(planned=found["planned"], results=self.results, answer=found["answer"])

    async def _round(self, state: RoundsState) -> dict[str, Any]:
        """Run the steps of the last plan that are not finished, then answer or plan anew."""
        planned = state["planned"][-1]
        may_go_on = planned.source != "given" and planned.plan.num_rounds < self.limits.max_rounds
        joiner = self._joiner(planned)
        run_step = self.speculation.before(self._runner(planned).run, planned.plan)
        run_id = self.saving.thread_id
        async with Dispatcher(planned.plan, run_step, self.sink, memo=self.memo, run_id=run_id) as dispatcher:

            async def join(results: Results) -> Answered | None:
                if may_go_on and not dispatcher.stopped and joiner.asks_for_another_round(results):
                    return None
                return await joiner.join(results)

            inputs = {"results": state["results"], "answer": None}
            try:
                if self.limits.max_rounds == 1:
                    found = await self.saving.invoke(planned.plan, dispatcher.result_of, join, inputs)
                else:
                    # inside of the outer graph it keeps its checkpoints in that one's thread by itself, and an
                    # interrupt is raised through it
                    graph = compile_plan(planned.plan, dispatcher.result_of, join, known=state["results"])
                    found = await graph.ainvoke(inputs)
            finally:
                self.stopped, self.wanted, self.results = dispatcher.stopped, dispatcher.wanted, dispatcher.results
        results = self.results
        if found["answer"] is not None or self.wanted:
            return {"results": results, "answer": found["answer"]}
        if following := await self._plan_again(planned, results):
            return {"results": results, "planned": (following,)}
        return {"results": results, "answer": await joiner.join(results)}

    async def _plan_again(self, planned: Planned, results: Results) -> Planned | None:
        """The plan with the steps of another round; None if the planner has no other idea, or cannot be asked."""
        try:
            async with self.meter.in_time():
                following = await self.planner.plan_again(self.task, self.sink, planned.plan, results)
        except (GenerationError, BudgetExhausted):
            return None
        if following:
            await self.sink.emit(following)
        return following

    def _runner(self, planned: Planned) -> StepRunner:
        return StepRunner(
            self.task,
            planned.plan,
            self.client,
            self.tools,
            self.sink,
            meter=self.meter,
            policy=self.limits.policy,
            turns=self.turns,
            cache=self.cache,
        )

    def _joiner(self, planned: Planned) -> Joiner:
        limit = self.limits.max_answer_tokens
        return Joiner(self.task, planned, self.client, self.sink, max_tokens=limit, meter=self.meter, turns=self.turns)


def _next(state: RoundsState) -> str:
    return ROUND if state["answer"] is None else END
