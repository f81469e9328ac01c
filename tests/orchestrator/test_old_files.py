"""What the disk has of experts and trainings that nothing needs at the moment."""

from pathlib import Path

import pytest

from experts.registry import Registry
from orchestrator.data_directory import Announcement, announce, served_alone
from orchestrator.errors import DataDirectoryBusyError
from orchestrator.old_files import activations, old_versions
from orchestrator.settings import Settings
from tests.orchestrator.cli.test_experts import an_expert

OLD, NEW = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture
def pushed(settings: Settings, tmp_path: Path) -> Path:
    """An expert in two versions, and what a push that was killed has left."""
    registry = Registry(settings.experts_dir)
    for version in (OLD, NEW):
        registry.push(an_expert(tmp_path / version, version))
    (settings.experts_dir / "botany" / f".{NEW}-4711").mkdir()
    return settings.experts_dir / "botany"


async def test_versions_that_are_not_active_are_removed(settings: Settings, pushed: Path) -> None:
    found = old_versions(settings)
    assert sorted(found.names) == [f"botany/.{NEW}-4711", f"botany/{OLD}"]
    assert found.num_bytes > 0
    assert (pushed / OLD).is_dir()
    await found.remove()
    assert [path.name for path in pushed.iterdir()] == [NEW]
    assert old_versions(settings).names == []
    assert Registry(settings.experts_dir).get("botany").card.version == NEW


async def test_a_running_service_may_still_read_them(settings: Settings, pushed: Path) -> None:
    async with served_alone(settings.data_dir) as data_dir:
        announce(data_dir, Announcement(pid=1, url="http://127.0.0.1:1", token="t"))
        with pytest.raises(DataDirectoryBusyError):
            await old_versions(settings).remove()
    assert (pushed / OLD).is_dir()


async def test_activations_of_trainings(settings: Settings) -> None:
    assert activations(settings).names == []
    folder = settings.cache_dir / "activations" / "a"
    folder.mkdir(parents=True)
    (folder / "activations.bin").write_bytes(b"x" * 1000)
    found = activations(settings)
    assert (found.names, found.num_bytes) == (["a"], 1000)
    await found.remove()
    assert not folder.exists()
