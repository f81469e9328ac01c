"""A run as the one JSON document of `ccoe ask --json` and `ccoe runs show --json`."""

import json

from orchestrator.run import Run


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
