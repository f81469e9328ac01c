"""The whole examination, and what it looks at on this machine."""

import os
from pathlib import Path

import pytest
from redis.asyncio import Redis

from orchestrator.data_directory import Announcement, announce, served_alone
from orchestrator.diagnosis import machine
from orchestrator.diagnosis.examination import examine
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings
from tests.orchestrator.cli.test_experts import an_expert
from tests.orchestrator.http_service import http_client
from tests.orchestrator.records import a_run, claimed, kept
from tests.orchestrator.scripted_experts import TWO_STEPS


async def test_a_healthy_service(service: Service, settings: Settings) -> None:
    await service.wait((await service.submit("a task", TWO_STEPS)).id)
    report = await examine(settings, fix=False)
    assert report.findings == []
    assert {"run", "steps", "memo", "events", "checkpoints"} <= report.memory.keys()
    assert report.memory["run"].num_keys == 1
    assert report.memory["run"].num_bytes > 100
    thread = await service.threads.create()
    await service.wait((await service.submit("say 48", TWO_STEPS, thread_id=thread.id)).id)
    memory = (await examine(settings, fix=False)).memory
    assert (memory["runs"].num_keys, memory["conversation runs"].num_keys) == (1, 1)


async def test_what_is_safe_is_repaired(redis: Redis, runs: RunStore, settings: Settings) -> None:
    run = await kept(runs, a_run())
    await claimed(runs, run)
    await redis.set("ccoe:stray", "1")
    assert [finding.subject for finding in (await examine(settings, fix=False)).findings] == ["runs", "keys"]
    report = await examine(settings, fix=True)
    assert [finding.subject for finding in report.repaired] == ["runs"]
    assert [finding.subject for finding in report.findings] == ["keys"]
    assert "ccoe gc" in report.findings[0].remedy
    await redis.delete("ccoe:stray")


async def test_without_redis_the_rest_is_looked_at(tmp_path: Path) -> None:
    settings = read_settings(redis_url=f"unix://{tmp_path / 'nobody.sock'}", cache_dir=tmp_path / "file" / "cache")
    (tmp_path / "file").write_text("")
    findings = (await examine(settings, fix=True)).findings
    assert [finding.subject for finding in findings] == ["redis", "disk"]
    assert "CCOE_CACHE_DIR" in findings[1].remedy


async def test_a_full_disk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(machine.disks(settings)) == []
    monkeypatch.setattr(machine, "MIN_FREE_BYTES", 2**70)
    assert [finding.message.split(":")[0] for finding in machine.disks(settings)] == ["CCOE_DATA_DIR", "CCOE_CACHE_DIR"]


async def test_the_service_that_runs_here(service: Service, settings: Settings) -> None:
    assert await machine.service(settings) == (None, [])
    async with served_alone(settings.data_dir) as data_dir:
        async with http_client(service) as client:
            url = str(client.base_url).rstrip("/")
            announce(data_dir, Announcement(pid=os.getpid(), url=url, token="t"))
            assert await machine.service(settings) == (url, [])
        _, (finding,) = await machine.service(settings)
        assert f"{url} (process {os.getpid()}) does not answer" in finding.message


def test_experts_whose_files_are_gone(settings: Settings, tmp_path: Path) -> None:
    assert list(machine.experts(settings)) == []
    version = settings.experts_dir / "botany" / "v1"
    version.parent.mkdir(parents=True)
    an_expert(tmp_path / "botany").rename(version)
    (version / "weights.safetensors").unlink(missing_ok=True)
    (settings.experts_dir / "registry.json").write_text('{"active": {"law": "gone"}}')
    said = [finding.message for finding in machine.experts(settings)]
    assert any("has no weights" in message for message in said)
    assert "the active version gone of 'law' has no files" in said
    (settings.experts_dir / "registry.json").write_text("nonsense")
    (finding,) = machine.experts(settings)
    assert "damaged" in finding.message
