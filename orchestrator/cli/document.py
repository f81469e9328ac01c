"""A run as the one JSON document of `ccoe ask --json` and `ccoe runs show --json`; a thread as that of its command."""

import json
from collections.abc import Sequence

from graphs.turn import Turn
from orchestrator.run import Run
from orchestrator.thread import Thread


def run_document(run: Run) -> str:
    """run_id, status, task, plan, steps, open questions, answer, error, usage, timings."""
    fields = run.model_dump(mode="json")
    document = {
        "run_id": run.id,
        "status": run.status,
        "task": run.task,
        "plan": fields["plan"],
        "steps": list(fields["steps"].values()),
        "questions": [fields["questions"][str(step)] for step in run.open_questions],
        "answer": run.answer,
        "error": fields["error"],
        "usage": fields["usage"],
        "timings": fields["timings"],
    }
    return json.dumps(document, ensure_ascii=False, indent=2)


def thread_document(thread: Thread, turns: Sequence[Turn]) -> str:
    """The thread's record with its turns, the oldest first."""
    document = {**thread.model_dump(mode="json"), "turns": [turn.model_dump(mode="json") for turn in turns]}
    return json.dumps(document, ensure_ascii=False, indent=2)
