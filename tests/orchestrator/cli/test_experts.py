"""`ccoe experts`: the registry's index, and a running service where there is one."""

import json
from pathlib import Path

from experts.card import ExpertCard
from orchestrator.settings import Settings
from tests.orchestrator.processes import ccoe, line_with, process


def an_expert(folder: Path) -> Path:
    """A directory with a card; whether weights fit is the engine's business."""
    card = ExpertCard(
        name="botany",
        domain="botany",
        description="plants",
        version="0123456789abcdef",
        backbone_hash="b",
        num_shared_layers=23,
        num_layers=30,
        form="low_rank",
    )
    folder.mkdir(parents=True)
    card.save(folder)
    return folder


async def test_experts_are_listed_shown_and_popped(settings: Settings) -> None:
    an_expert(settings.experts_dir / "botany" / "0123456789abcdef")
    (settings.experts_dir / "registry.json").write_text('{"active": {"botany": "0123456789abcdef"}}')
    listed = (await ccoe("experts", "list"))[1]
    assert "general" in listed
    assert "botany" in listed
    assert json.loads((await ccoe("experts", "show", "botany"))[1])["description"] == "plants"
    assert (await ccoe("experts", "pop", "botany"))[0] == 0
    code, _, errors = await ccoe("experts", "show", "botany")
    assert (code, "no expert 'botany'" in errors) == (1, True)


async def test_push_and_pop_reach_a_running_service(tmp_path: Path) -> None:
    async with process("scripted_ccoe", "serve", "--port", "0") as serving:
        await line_with("serving at", serving)
        code, output, _ = await ccoe("experts", "push", str(an_expert(tmp_path / "botany")))
        assert (code, output) == (0, "botany is now version p1\n")
        assert (await ccoe("experts", "pop", "botany"))[0] == 0
        code, _, errors = await ccoe("experts", "pop", "botany")
        assert (code, "no expert 'botany'" in errors) == (2, True)
