"""The command line as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.orchestrator.processes import ROOT, ccoe

WITH_TORCH = {"train", "eval", "bench", "progress", "losses", "loss_picture", "comparison"} | {
    "expert_difference",
    "expert_exchange",
    "direct_figures",
    "gate_training",
    "bench_tuning",
    "bench_tasks",
    "querying",
}
MODULES = sorted(path.stem for path in (ROOT / "orchestrator" / "cli").glob("*.py") if path.stem not in WITH_TORCH)


async def test_the_overview_names_every_command() -> None:
    code, output, _ = await ccoe("--help")
    assert code == 0
    assert all(name in output for name in ("ask", "serve", "runs", "experts", "train", "eval"))


async def test_an_unknown_command_is_a_usage_error() -> None:
    code, _, errors = await ccoe("answer")
    assert (code, "answer" in errors) == (2, True)


async def test_a_wrong_setting_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCOE_PORT", "http")
    code, _, errors = await ccoe("runs", "list")
    assert code == 2
    assert errors.splitlines()[0].startswith("error: CCOE_PORT cannot be used")


@pytest.mark.parametrize("module", MODULES)
def test_commands_that_ask_no_expert_load_no_torch(module: str, tmp_path: Path) -> None:
    code = f"import sys, orchestrator.cli.{module}; print(*sorted({{'torch', 'transformers'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout.strip()) == ("", "")
