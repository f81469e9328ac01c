"""A step's call of a tool, as a workflow writes it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphs.budget import Meter
from graphs.errors import ToolError
from graphs.events import EventSink, StepResult, StepStarted, ToolCalled
from graphs.plan import Step
from graphs.protocols import Sampling, Tool
from graphs.tools.invocation import invoke


@dataclass(frozen=True, slots=True)
class ToolCall:
    """An Attempt that calls a tool instead of asking an expert."""

    step: Step
    tool: str
    arguments: Any
    tools: Mapping[str, Tool]
    sink: EventSink
    meter: Meter

    async def __call__(self, expert: str, sampling: Sampling, sample: int) -> StepResult:
        """The tool's text and data; a failure is a result. Raises BudgetExhausted."""
        call = json.dumps(self.arguments, ensure_ascii=False)
        await self.sink.emit(StepStarted(step=self.step.id, expert=expert, version="", text=call))
        try:
            if self.tool not in self.tools:
                raise ToolError(self.tool, "this tool is not configured", "configure it")
            self.meter.call_tool()
            computed = await invoke(self.tools[self.tool], self.arguments)
        except ToolError as failure:
            error, kind = failure.reason, failure.kind
            return StepResult(id=self.step.id, status="error", error=error, error_kind=kind, call=call, tool=self.tool)
        data = json.loads(json.dumps(computed.data, default=str))
        await self.sink.emit(ToolCalled(step=self.step.id, tool=self.tool, call=call, result=computed.text, data=data))
        return StepResult(
            id=self.step.id,
            status="success",
            result=computed.text,
            data=data,
            call=call,
            tool=self.tool,
            warnings=computed.warnings,
            sources=computed.sources,
        )
