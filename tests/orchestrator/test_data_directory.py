"""One service per data directory."""

from pathlib import Path

import pytest

from orchestrator.data_directory import Announcement, announce, running_service, served_alone
from orchestrator.errors import DataDirectoryBusyError

SERVICE = Announcement(pid=1234, url="http://127.0.0.1:8321", token="secret")


async def test_a_service_is_found_while_it_runs(tmp_path: Path) -> None:
    assert running_service(tmp_path) is None
    async with served_alone(tmp_path):
        assert running_service(tmp_path) is None
        announce(tmp_path, SERVICE)
        assert running_service(tmp_path) == SERVICE
    assert running_service(tmp_path) is None


async def test_a_second_one_is_refused_by_name(tmp_path: Path) -> None:
    async with served_alone(tmp_path):
        announce(tmp_path, SERVICE)
        with pytest.raises(DataDirectoryBusyError, match=r"process 1234 at http://127\.0\.0\.1:8321"):
            async with served_alone(tmp_path):
                pass
        assert running_service(tmp_path) == SERVICE


async def test_what_a_killed_service_announced_counts_for_nothing(tmp_path: Path) -> None:
    async with served_alone(tmp_path):
        pass
    announce(tmp_path, SERVICE)
    assert running_service(tmp_path) is None
    async with served_alone(tmp_path):
        assert running_service(tmp_path) is None


async def test_nobody_else_reads_what_a_service_announces(tmp_path: Path) -> None:
    (tmp_path / "serve.json.new").touch(mode=0o644)
    announce(tmp_path, SERVICE)
    assert (tmp_path / "serve.json").stat().st_mode & 0o777 == 0o600
    assert "secret" not in repr(SERVICE)
