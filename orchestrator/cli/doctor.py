"""`ccoe doctor`: what is wrong, what to do about it, and what Redis' memory is used for."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.interruption import run_to_end
from orchestrator.diagnosis.examination import Report, examine
from orchestrator.diagnosis.finding import Finding
from orchestrator.settings import read_settings

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Repair what can be repaired without losing anything.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Look at Redis, runs, queue, keys, disks, service and experts. Exit code 1: something is wrong."""
    report = run_to_end(examine(read_settings(), fix=fix))
    if as_json:
        typer.echo(json.dumps(_document(report), indent=2))
    else:
        _print(Console(highlight=False, soft_wrap=True), report)
    if report.findings:
        raise typer.Exit(1)


def _document(report: Report) -> dict[str, Any]:
    return {
        "findings": [_fields(finding) for finding in report.findings],
        "repaired": [_fields(finding) for finding in report.repaired],
        "redis": {"server": _server(report), "used_memory": report.redis.get("used_memory")},
        "memory": {name: asdict(weight) for name, weight in report.memory.items()},
        "service": report.service,
    }


def _fields(finding: Finding) -> dict[str, Any]:
    can_be_fixed = finding.fix is not None
    return {
        "subject": finding.subject,
        "message": finding.message,
        "remedy": finding.remedy,
        "can_be_fixed": can_be_fixed,
    }


def _server(report: Report) -> str | None:
    if not report.redis:
        return None
    name = "Valkey" if "valkey_version" in report.redis else "Redis"
    return f"{name} {report.redis.get('valkey_version') or report.redis.get('redis_version')}"


def _print(console: Console, report: Report) -> None:
    console.print(f"redis: {_server(report) or 'not reached'}")
    console.print(f"service here: {report.service or 'none runs'}")
    if report.memory:
        table = Table("kind of key", "keys", "bytes", box=None)
        for name, weight in sorted(report.memory.items(), key=lambda item: -item[1].num_bytes):
            table.add_row(name, f"{weight.num_keys:,}", f"{weight.num_bytes:,}")
        console.print(table)
    for finding in report.repaired:
        console.print(Text(f"repaired: {finding.message}", style="green"))
    for finding in report.findings:
        console.print(Text(f"{finding.subject}: {finding.message}", style="red"))
        console.print(Text(f"  remedy: {finding.remedy}"))
    if not report.findings:
        console.print(Text("nothing is wrong", style="green"))
