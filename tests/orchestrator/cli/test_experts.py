"""`ccoe experts`: the registry's index, and a running service where there is one."""

import json
from pathlib import Path

from experts.card import ExpertCard
from orchestrator.settings import Settings
from tests.orchestrator.processes import ccoe, line_with, process


def an_expert(folder: Path, version: str = "0123456789abcdef", name: str = "botany") -> Path:
    """A directory with a card; whether weights fit is the engine's business."""
    card = ExpertCard(
        name=name,
        domain="botany",
        description="plants",
        version=version,
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


def lines(output: str) -> set[tuple[str, ...]]:
    """The first three words of each line."""
    return {tuple(line.split()[:3]) for line in output.splitlines()}


async def test_versions_are_listed_rolled_back_and_shown(settings: Settings) -> None:
    root = settings.experts_dir
    for version in ("aaa", "bbb"):
        an_expert(root / "botany" / version, version)
    (root / "registry.json").write_text('{"active": {"botany": "bbb"}, "history": {"botany": ["aaa", "bbb"]}}')

    listed = lines((await ccoe("experts", "list", "--all"))[1])
    assert {("botany", "aaa", "kept"), ("botany", "bbb", "active")} <= listed
    assert (await ccoe("experts", "rollback", "botany"))[:2] == (0, "botany is now version aaa\n")
    assert json.loads((await ccoe("experts", "show", "botany"))[1])["version"] == "aaa"
    assert json.loads((await ccoe("experts", "show", "botany@bbb"))[1])["version"] == "bbb"
    code, _, errors = await ccoe("experts", "rollback", "botany")
    assert (code, "no earlier version of 'botany' was active" in errors) == (1, True)
    assert (await ccoe("experts", "rollback", "botany", "--to", "bbb"))[:2] == (0, "botany is now version bbb\n")
    await ccoe("experts", "pop", "botany")
    listed = lines((await ccoe("experts", "list", "--all"))[1])
    assert {("botany", "aaa", "kept"), ("botany", "bbb", "popped")} <= listed


async def test_changes_are_told_whether_a_service_ran_or_not(tmp_path: Path, settings: Settings) -> None:
    an_expert(settings.experts_dir / "law" / "v1", "v1", "law")
    (settings.experts_dir / "registry.json").write_text('{"active": {"law": "v1"}}')
    assert (await ccoe("experts", "pop", "law"))[0] == 0
    async with process("scripted_ccoe", "serve", "--port", "0") as serving:
        await line_with("serving at", serving)
        await ccoe("experts", "push", str(an_expert(tmp_path / "botany")))
        assert (await ccoe("experts", "rollback", "botany"))[:2] == (0, "botany is now version p0\n")
        changes = [
            ["local", "rollback", "botany", "p0", "p1"],
            ["local", "push", "botany", "p1"],
            ["local", "pop", "law", "v1", "v1"],
        ]
        assert await audit() == changes
    assert (await ccoe("experts", "push", str(an_expert(tmp_path / "elm", "v1", "elm"))))[0] == 0
    assert await audit() == [["local", "push", "elm", "p1"], *changes]
    assert await audit("--limit", "2") == [["local", "push", "elm", "p1"], changes[0]]


async def audit(*options: str) -> list[list[str]]:
    """What `ccoe experts audit` prints, without the times."""
    code, output, errors = await ccoe("experts", "audit", *options)
    assert code == 0, errors
    return [line.split()[2:] for line in output.splitlines()[1:]]


async def test_the_overview_names_what_is_loaded_on_use() -> None:
    code, output, _ = await ccoe("experts", "--help")
    assert code == 0
    names = ("list", "show", "push", "pop", "rollback", "audit", "upload", "export", "import", "diff")
    assert [name for name in names if name not in output] == []
