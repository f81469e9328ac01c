"""Changes of a service's experts, one after another, each with its entry in the audit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from graphs.protocols import ExpertProfile
from orchestrator.errors import RedisUnavailableError
from orchestrator.expert_audit import ExpertAction, ExpertAudit, ExpertChange
from orchestrator.expert_host import ExpertHost

_LOG = logging.getLogger(__name__)


class ExpertLifecycle:
    """Push, pop and roll back, `by` a caller. All raise RedisUnavailableError: without an audit nothing is changed."""

    def __init__(self, experts: ExpertHost, audit: ExpertAudit) -> None:
        self.audit = audit
        self._experts = experts
        self._lock = asyncio.Lock()

    async def push(self, directory: Path, *, by: str) -> ExpertProfile:
        """Attach the expert in a directory. Raises an ExpertError if it does not fit."""
        return await self._change("push", by, partial(self._experts.push, directory))

    async def pop(self, name: str, *, by: str) -> ExpertProfile:
        """Detach an expert. Raises an ExpertError if there is none."""
        return await self._change("pop", by, partial(self._experts.pop, name))

    async def rollback(self, name: str, version: str | None = None, *, by: str) -> ExpertProfile:
        """Make an earlier version active. Raises an ExpertError if there is none."""
        return await self._change("rollback", by, partial(self._experts.rollback, name, version))

    async def _change(
        self, action: ExpertAction, by: str, change: Callable[[], Awaitable[ExpertProfile]]
    ) -> ExpertProfile:
        async with self._lock:
            await self.audit.check()
            before = {profile.name: profile.version for profile in self._experts.profiles()}
            changed = await change()
            previous = before.get(changed.name)
            try:
                await self.audit.append(ExpertChange.now(action, changed.name, changed.version, previous, by))
            except RedisUnavailableError as error:
                # it is done: an error would have it done again
                _LOG.error("not audited: %s of %s %s: %s", action, changed.name, changed.version, error)
            return changed
