"""This machine: room on the disks, the directories, the service that runs here, the experts on disk."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from experts.errors import ExpertError
from experts.registry import Registry
from orchestrator.data_directory import running_service
from orchestrator.diagnosis.finding import Finding
from orchestrator.settings import Settings

MIN_FREE_BYTES = 2**30
_ANSWER_SECONDS = 5.0


def disks(settings: Settings) -> Iterator[Finding]:
    """Directories that cannot be written, or whose disk is nearly full."""
    for variable, directory in (("CCOE_DATA_DIR", settings.data_dir), ("CCOE_CACHE_DIR", settings.cache_dir)):
        place = _existing(directory.expanduser())
        if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
            remedy = f"make it writable, or set {variable} to another directory"
            yield Finding("disk", f"{variable}: {str(directory)!r} cannot be written", remedy)
            continue
        if (free := shutil.disk_usage(place).free) < MIN_FREE_BYTES:
            remedy = f"make room (ccoe gc --experts --activations), or set {variable} to another disk"
            yield Finding("disk", f"{variable}: {free / 2**20:,.0f} MB are free for {str(directory)!r}", remedy)


async def service(settings: Settings) -> tuple[str | None, list[Finding]]:
    """The address of the service that runs on the data directory, if one does, and what it says is wrong."""
    running = running_service(settings.data_dir)
    if running is None:
        return None, []
    try:
        async with httpx.AsyncClient(timeout=_ANSWER_SECONDS) as http:
            response = await http.get(f"{running.url}/healthz")
            told: dict[str, Any] = response.json()
    except (httpx.HTTPError, ValueError) as error:
        message = f"the service at {running.url} (process {running.pid}) does not answer: {type(error).__name__}"
        return running.url, [Finding("service", message, "wait if it is loading its experts; else see its log")]
    wrong = [f"{part}: {said}" for part, said in told.items() if said != "ok"]
    if response.is_success:
        return running.url, []
    message = f"the service at {running.url} is not ready: {'; '.join(wrong)}"
    return running.url, [Finding("service", message, "repair what it names; it recovers by itself")]


def experts(settings: Settings) -> Iterator[Finding]:
    """A registry that cannot be read, or that names versions whose files are gone."""
    root = settings.experts_dir
    try:
        registry = Registry(root)
    except ExpertError as error:
        yield Finding("experts", str(error), f"repair or remove what it names below {str(root)!r}")
        return
    for name in registry.names():
        for entry in registry.versions(name):
            directory = entry.directory
            if directory and directory.is_relative_to(root) and not any(directory.glob("*.safetensors")):
                message = f"version {entry.card.version} of {name!r} has no weights"
                yield Finding("experts", message, f"remove {str(directory)!r} and push it again")
    active = {entry.card.name: entry.card.version for entry in registry.list()}
    for name, version in _named_active(root).items():
        if version is not None and active.get(name) != version:
            remedy = f"push it again, or go back: ccoe experts rollback {name}"
            yield Finding("experts", f"the active version {version} of {name!r} has no files", remedy)


def _named_active(root: Path) -> dict[str, str | None]:
    path = root / "registry.json"
    return json.loads(path.read_text(encoding="utf-8"))["active"] if path.exists() else {}


def _existing(directory: Path) -> Path:
    """The directory, or the one below which it would be made."""
    return next((place for place in (directory, *directory.parents) if place.exists()), directory)
