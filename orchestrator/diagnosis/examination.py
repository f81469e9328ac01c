"""The whole examination: Redis, runs, queue, keys, disks, service, experts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from orchestrator.diagnosis import machine, redis_server
from orchestrator.diagnosis.finding import Finding
from orchestrator.diagnosis.overlong import long_lanes, long_traces
from orchestrator.diagnosis.stuck_runs import StuckRuns
from orchestrator.errors import RedisUnavailableError
from orchestrator.key_space import Weight, survey, weight
from orchestrator.keys import KINDS, Keys, Kind
from orchestrator.leftovers import Leftovers
from orchestrator.redis_connection import check_writable, redis_connection
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.settings import Settings

_STRAY = "of no class"


@dataclass(slots=True)
class Report:
    """What was found."""

    findings: list[Finding] = field(default_factory=list[Finding])
    repaired: list[Finding] = field(default_factory=list[Finding])
    redis: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What its server says of itself."""
    memory: dict[str, Weight] = field(default_factory=dict[str, Weight])
    """By kind of key."""
    service: str | None = None
    """The address of the one that runs here."""


async def examine(settings: Settings, *, fix: bool) -> Report:
    """Look at everything; with `fix`, repair what can be repaired without losing anything."""
    report = Report()
    try:
        async with redis_connection(settings) as redis:
            await _examine_redis(report, settings, redis)
            if fix:
                await _repair(report)
    except RedisUnavailableError as error:
        report.findings.append(Finding("redis", error.message, error.remedy))
    report.service, faults = await machine.service(settings)
    report.findings += [*faults, *machine.disks(settings), *machine.experts(settings)]
    return report


async def _examine_redis(report: Report, settings: Settings, redis: Redis) -> None:
    keys = Keys(settings.tenant)
    report.redis = await redis_server.redis_info(redis)
    report.findings += redis_server.faults(report.redis)
    space = await survey(redis, keys)
    by_kind = {**{_named(kind): found for kind, found in space.by_kind.items()}, _STRAY: space.stray}
    report.memory = {name: await weight(redis, found) for name, found in by_kind.items() if found}
    runs = RunStore(redis, keys, settings.run_ttl_seconds, settings.trace_limits)
    queue = RunQueue(redis, keys, "doctor", settings.run_ttl_seconds)
    report.findings += await StuckRuns(redis, runs, queue).find(space)
    report.findings += await long_traces(redis, space, settings.max_trace_entries)
    report.findings += await long_lanes(redis, space)
    for left in await Leftovers(redis, keys, settings.run_ttl_seconds).find(space):
        message = f"{len(left.names):,} {left.what}, {left.num_bytes:,} bytes, such as {left.names[0]}"
        report.findings.append(Finding("keys", message, "see them and remove them: ccoe gc, ccoe gc --yes"))
    if not any(finding.subject == "redis" for finding in report.findings):
        await check_writable(redis, keys)


def _named(kind: Kind) -> str:
    """Its name, that of a conversation's kind told apart from the tenant's."""
    is_shared = any(other.name == kind.name and other.owner != kind.owner for other in KINDS)
    return f"{kind.owner} {kind.name}" if is_shared and kind.owner != "tenant" else kind.name


async def _repair(report: Report) -> None:
    for finding in [finding for finding in report.findings if finding.fix]:
        assert finding.fix is not None
        await finding.fix()
        report.findings.remove(finding)
        report.repaired.append(finding)
