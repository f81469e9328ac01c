"""Changes of the experts on disk while no service runs, each with its line in the audit."""

from pathlib import Path

from experts.registry import Registry
from graphs.protocols import GENERAL, PLANNER
from orchestrator.audit_file import AuditFile
from orchestrator.auth import LOCAL
from orchestrator.expert_audit import ExpertAction, ExpertChange
from orchestrator.expert_host import OpenExperts
from orchestrator.settings import Settings


class StoredExperts:
    """Push, pop and roll back in the data directory, one process at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._audit = AuditFile(settings.experts_dir)

    async def push(self, directory: Path, open_experts: OpenExperts) -> tuple[str, str]:
        """Attach the expert in a directory; its name and version. Raises an ExpertError if it does not fit."""
        with self._audit.changing():
            # the engine, because only the backbone can tell whether the weights fit it
            async with open_experts(self._settings) as experts:
                before = {profile.name: profile.version for profile in experts.profiles()}
                pushed = await experts.push(directory)
            self._note("push", pushed.name, pushed.version, before.get(pushed.name))
        return pushed.name, pushed.version

    def pop(self, name: str) -> None:
        """Detach an expert; its files stay. Raises UnknownExpert."""
        with self._audit.changing():
            version = Registry(self._settings.experts_dir).pop(name).card.version
            self._note("pop", name, version, version)

    def rollback(self, name: str, version: str | None) -> str:
        """Make an earlier version active; which one. Raises UnknownExpert, NoEarlierVersion."""
        with self._audit.changing():
            registry = Registry(self._settings.experts_dir)
            before = {entry.card.name: entry.card.version for entry in registry.list()}
            chosen = registry.rollback(name, version).card.version
            self._note("rollback", name, chosen, before.get(name))
        return chosen

    def _note(self, action: ExpertAction, name: str, version: str, previous: str | None) -> None:
        self._audit.append(ExpertChange.now(action, name, version, previous, LOCAL))


def stored_expert_names(settings: Settings) -> set[str]:
    """Those that a step may name, as a service that starts now would know them."""
    return {entry.card.name for entry in Registry(settings.experts_dir).list()} - {PLANNER} | {GENERAL}
