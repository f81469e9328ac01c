"""Schedules over HTTP."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel

from orchestrator.api.injection import ServiceDependency
from orchestrator.run import Run
from orchestrator.schedule import Schedule, ScheduleChange, ScheduleRequest

router = APIRouter(prefix="/api/schedules", tags=["schedules"])


class SchedulePage(BaseModel):
    """Schedules, by time of creation."""

    schedules: list[Schedule]


@router.post("", status_code=201)
async def create_schedule(asked: ScheduleRequest, service: ServiceDependency, response: Response) -> Schedule:
    """Make a schedule; its request is checked as that of a run would be."""
    schedule = Schedule.create(asked, service.schedules.tenant, datetime.now(UTC))
    service.check(schedule.request)
    await service.schedules.add(schedule)
    response.headers["Location"] = f"{router.prefix}/{schedule.id}"
    return schedule


@router.get("")
async def list_schedules(service: ServiceDependency) -> SchedulePage:
    """All schedules."""
    return SchedulePage(schedules=await service.schedules.list())


@router.get("/{schedule_id}")
async def get_schedule(schedule_id: str, service: ServiceDependency) -> Schedule:
    """One schedule."""
    return await service.schedules.get(schedule_id)


@router.patch("/{schedule_id}")
async def change_schedule(schedule_id: str, change: ScheduleChange, service: ServiceDependency) -> Schedule:
    """Change what is given; another timetable begins now."""
    if "request" in change.model_fields_set:
        service.check(change.request)
    return await service.schedules.change(schedule_id, lambda kept: kept.changed(change, datetime.now(UTC)))


@router.delete("/{schedule_id}")
async def delete_schedule(schedule_id: str, service: ServiceDependency) -> Schedule:
    """Remove a schedule; its runs go on."""
    return await service.schedules.delete(schedule_id)


@router.post("/{schedule_id}/pause")
async def pause_schedule(schedule_id: str, service: ServiceDependency) -> Schedule:
    """Not due until it is resumed; 409 if its one time is over."""
    return await service.schedules.change(schedule_id, Schedule.paused)


@router.post("/{schedule_id}/resume")
async def resume_schedule(schedule_id: str, service: ServiceDependency) -> Schedule:
    """Due from now on; what the pause has left out is not made up for."""
    return await service.schedules.change(schedule_id, lambda kept: kept.resumed(datetime.now(UTC)))


@router.post("/{schedule_id}/run", status_code=202)
async def run_schedule(schedule_id: str, service: ServiceDependency, response: Response) -> Run:
    """Start a run now, beside the timetable."""
    run = await service.run_schedule(schedule_id)
    response.headers["Location"] = f"/api/runs/{run.id}"
    return run
