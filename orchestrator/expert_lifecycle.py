"""Changes of a service's experts, one after another, each with its entry in the audit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from graphs.protocols import ExpertProfile
from orchestrator.errors import RedisUnavailableError
from orchestrator.expert_audit import ExpertAction, ExpertAudit
from orchestrator.expert_host import ExpertHost

_LOG = logging.getLogger(__name__)


class ExpertLifecycle:
    """Push, pop and roll back. All methods raise RedisUnavailableError: without an audit nothing is changed."""

    def __init__(self, experts: ExpertHost, audit: ExpertAudit) -> None:
        self.audit = audit
        self._experts = experts
        self._lock = asyncio.Lock()

    async def push(self, directory: Path) -> ExpertProfile:
        """Attach the expert in a directory. Raises an ExpertError if it does not fit."""
        return await self._change("push", partial(self._experts.push, directory))

    async def pop(self, name: str) -> ExpertProfile:
        """Detach an expert. Raises an ExpertError if there is none."""
        return await self._change("pop", partial(self._experts.pop, name))

    async def rollback(self, name: str, version: str | None = None) -> ExpertProfile:
        """Make an earlier version active. Raises an ExpertError if there is none."""
        return await self._change("rollback", partial(self._experts.rollback, name, version))

    async def _change(self, action: ExpertAction, change: Callable[[], Awaitable[ExpertProfile]]) -> ExpertProfile:
        async with self._lock:
            await self.audit.check()
            before = {profile.name: profile.version for profile in self._experts.profiles()}
            changed = await change()
            try:
                await self.audit.append(action, changed.name, changed.version, before.get(changed.name))
            except RedisUnavailableError as error:
                # it is done: an error would have it done again
                _LOG.error("not audited: %s of %s %s: %s", action, changed.name, changed.version, error)
            return changed
