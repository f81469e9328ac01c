"""The workflows of `examples/`: valid, run with the real tools, and once with the real model."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from graphs.tools.calculator import Calculator
from graphs.tools.passage_index import PassageIndex
from graphs.tools.search import SearchTool
from graphs.tools.sql import SqlTool
from graphs.workflows.python_file import read_workflow_file
from orchestrator.demo.database import make_database, query_one
from orchestrator.expert_client import open_engine
from orchestrator.run import Run, RunStatus
from orchestrator.service import Service
from orchestrator.settings import read_settings
from tests.graphs.workflows.written import PromptedExperts, run, statuses

EXAMPLES = Path(__file__).parent.parent / "examples"
MAILS: dict[str, Any] = json.loads((EXAMPLES / "mails.json").read_text(encoding="utf-8"))
NOTES = {
    "warranty.md": "The warranty of a bicycle lasts 30 months.",
    "shop.txt": "The shop opens at 9 o'clock on Mondays.",
}
QUESTIONS = ["How long is the warranty of a bicycle?", "When does the shop open on Mondays?"]


class Mailbox(PromptedExperts):
    """Calls a mail urgent that says so in its body."""

    def said_to(self, prompt: str) -> str:
        if prompt.startswith("Is this mail"):
            return "urgent" if "today" in prompt or "accident" in prompt else "normal"
        return "Somebody looks at it today."


def notes(folder: Path) -> Path:
    """A folder of files."""
    folder.mkdir()
    for name, text in NOTES.items():
        (folder / name).write_text(text)
    return folder


async def test_triage_drafts_answers_to_what_is_urgent() -> None:
    flow = read_workflow_file(EXAMPLES / "triage.yaml")
    outcome = await run(flow, MAILS, client=Mailbox())
    answer = json.loads(outcome.answer.answer)
    assert outcome.status == "success", outcome.reason
    assert answer["urgency"] == ["urgent", "normal", "urgent"]
    assert answer["drafts"][0].startswith("To: ann@example.org\nSubject: Re: Charged twice")
    assert answer["drafts"][1].strip() == "" and "Somebody looks" in answer["drafts"][2]
    assert statuses(flow, outcome)["approved"] == "skipped"


async def test_the_nightly_report_has_the_figures_of_the_database(tmp_path: Path) -> None:
    database = tmp_path / "shop.sqlite"
    make_database(database, random.Random(3))
    flow = read_workflow_file(EXAMPLES / "nightly_report.yaml")
    outcome = await run(flow, {"low_stock": 90}, tools={"sql": SqlTool(database), "calculator": Calculator()})
    assert outcome.status == "success", outcome.reason
    pieces, value = (query_one(database, f"SELECT {what} FROM bikes") for what in ("SUM(stock)", "SUM(price * stock)"))
    assert f"{pieces} bikes of 12 models" in outcome.answer.answer
    assert f"worth {value}, {round(value / pieces, 2)} each" in outcome.answer.answer.replace("\n", " ")


async def test_document_questions_are_answered_with_their_passages(tmp_path: Path) -> None:
    index = PassageIndex(tmp_path / "passages.sqlite")
    assert len(list(index.update(notes(tmp_path / "notes")))) == 2
    flow = read_workflow_file(EXAMPLES / "document_questions.py")
    outcome = await run(flow, {"questions": QUESTIONS}, tools={"search": SearchTool(index)})
    assert outcome.status == "success", outcome.reason
    assert "[warranty.md:1]" in outcome.answer.answer and "30 months" in outcome.answer.answer


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_with_the_real_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody grades what a small model says; all of it has to arrive, and its figures come from the tools."""
    database = tmp_path / "shop.sqlite"
    make_database(database, random.Random(3))
    monkeypatch.setenv("CCOE_DATA_DIR", str(tmp_path / "data"))
    settings = read_settings(databases={"shop": str(database)})
    assert len(list(PassageIndex(settings.index_path).update(notes(tmp_path / "notes")))) == 2

    async def answered() -> list[Run]:
        async with Service.open(settings, open_engine) as service:
            asked = [
                ("triage.yaml", MAILS),
                ("nightly_report.yaml", {}),
                ("document_questions.py", {"questions": QUESTIONS}),
            ]
            runs: list[Run] = []
            for name, inputs in asked:
                definition = read_workflow_file(EXAMPLES / name).model_dump(mode="json", exclude_unset=True)
                runs.append(await service.wait((await service.submit_workflow(definition, inputs)).id))
            return runs

    triage, report, documents = asyncio.run(answered())
    assert [run.status for run in (triage, report, documents)] == [RunStatus.SUCCESS] * 3
    assert set(json.loads(triage.answer or "")["urgency"]) <= {"urgent", "normal"}
    assert f"{query_one(database, 'SELECT SUM(stock) FROM bikes')} bikes" in (report.answer or "")
    assert "30 months" in (documents.answer or "")
