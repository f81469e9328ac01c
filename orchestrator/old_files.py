"""Files in the data and cache directories that nothing needs at the moment, and that can be wanted again."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from experts.registry import Registry
from orchestrator.audit_file import AuditFile
from orchestrator.data_directory import running_service
from orchestrator.errors import DataDirectoryBusyError
from orchestrator.leftovers import Leftover
from orchestrator.settings import Settings


def old_versions(settings: Settings) -> Leftover:
    """Versions of experts that are not active, and copies that a push did not finish. `rollback` needs the former.

    To remove them raises DataDirectoryBusyError while a service runs that may still read them.
    """
    root = settings.experts_dir

    def found() -> list[Path]:
        registry = Registry(root)
        entries = [entry for name in registry.names() for entry in registry.versions(name)]
        kept = [entry.directory for entry in entries if entry.directory and registry.state_of(entry) == "kept"]
        return [*(path for path in kept if path.is_relative_to(root)), *root.glob("*/.*-*")]

    async def remove() -> None:
        if running := running_service(settings.data_dir):
            raise DataDirectoryBusyError(settings.data_dir, running.pid, running.url)
        with AuditFile(root).changing():
            for directory in found():
                shutil.rmtree(directory)

    directories = found()
    names = [str(path.relative_to(root)) for path in directories]
    return Leftover("expert versions that are not active", names, _size(directories), remove)


def activations(settings: Settings) -> Leftover:
    """Boundary activations that trainings have kept; a training with the same rows computes them again."""
    directory = settings.cache_dir.expanduser() / "activations"
    folders = sorted(directory.iterdir()) if directory.is_dir() else []

    async def remove() -> None:
        shutil.rmtree(directory)

    return Leftover("boundary activations of trainings", [path.name for path in folders], _size(folders), remove)


def _size(directories: Iterable[Path]) -> int:
    return sum(path.stat().st_size for folder in directories for path in folder.rglob("*") if path.is_file())
