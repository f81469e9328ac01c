"""The engine behind an asynchronous interface: one thread runs the models, everybody else awaits its events."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from functools import partial
from pathlib import Path
from typing import Self

import torch

from experts.card import ExpertCard
from experts.config import EngineConfig
from experts.engine.calls import Calls
from experts.engine.engine import Engine, Output
from experts.engine.events import Pooled, TokenEvent
from experts.engine.expert_loader import LoadedExpert
from experts.engine.intake import Asked, Intake, Prompt
from experts.engine.loading import Loading
from experts.engine.mailbox import Mailbox, Put, put_from_thread
from experts.engine.metrics import EngineMetrics
from experts.engine.model_pool import ModelPool
from experts.engine.sequence import EQUAL, NO_EXPERT, Share
from experts.errors import EngineBusy, EngineClosed, ExpertDetached
from experts.gating.gate import Gate
from experts.registry import Entry, Registry
from experts.sampling_params import SamplingParams
from experts.source import load_backbone


class AsyncEngine:
    """Tokens in, tokens out, for every expert of one registry.

    All running sequences advance together, one engine step at a time.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._calls = Calls()
        self._puts: dict[int, Put] = {}
        """By sequence."""
        self._thread = threading.Thread(target=self._run, name="ccoe-engine", daemon=True)
        self._num_open = 0
        self._is_leaving = False
        self._idle = asyncio.Event()
        self._resources = ExitStack()
        """What is closed when the thread stops."""

    @classmethod
    async def start(cls, config: EngineConfig) -> Self:
        """Load the backbone and start the thread. Raises BackboneError or CheckpointError."""
        engine = cls(config)
        engine._thread.start()
        try:
            await engine._calls.ask(engine._load)
        except BaseException:
            await engine.close()
            raise
        return engine

    def _load(self) -> None:
        if self._config.num_threads is not None:
            torch.set_num_threads(self._config.num_threads)
        backbone = load_backbone(self._config.backbone)
        registry = Registry(self._config.experts_dir, **({} if self._config.with_builtin else {"builtin": None}))
        self._pool = ModelPool(backbone, registry, self._config)
        self._engine = Engine(self._pool, self._config)
        self._resources.callback(self._engine.close)
        self._intake = Intake(self._pool, self._engine.max_tokens)
        self._loading = Loading(self._pool.loader.load, self._keep)

    @property
    def registry(self) -> Registry:
        """The experts that can be asked."""
        return self._pool.registry

    @property
    def num_sequences(self) -> int:
        """Generations that are running or waiting."""
        return self._num_open

    async def generate(
        self, expert: str, prompt: Prompt, params: SamplingParams, share: Share = EQUAL
    ) -> AsyncGenerator[TokenEvent]:
        """Stream an expert's answer, or all `params.n` of them, mixed; closing the iterator cancels it.

        Each answer ends with its own usage, and all count as sequences. Raises UnknownExpert, PromptTooLong,
        PromptInvalid, GrammarError, CheckpointError, ExpertDetached, EngineBusy or EngineClosed.
        """
        num_running = params.n
        with self._admitted(num_running):
            entry = await self._loaded(expert)
            async with aclosing(self._outputs(lambda: self._intake.answers(entry, prompt, params), share)) as outputs:
                async for output in outputs:
                    assert isinstance(output, TokenEvent)
                    yield output
                    num_running -= output.finish_reason is not None
                    if not num_running:
                        return

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str], share: Share = EQUAL) -> list[float]:
        """The log-probability of each whole candidate as the continuation of the prompt (teacher-forced).

        Raises as `generate` does.
        """
        if not candidates:
            return []
        with self._admitted():
            entry = await self._loaded(expert)
            first = await self._score(entry, prompt, candidates[0], share)  # the others find its prefix in the cache
            others = [asyncio.create_task(self._score(entry, prompt, other, share)) for other in candidates[1:]]
            try:
                return [first, *await asyncio.gather(*others)]
            finally:
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)

    async def _score(self, entry: Entry, prompt: Prompt, candidate: str, share: Share) -> float:
        score = await self._first(lambda: [self._intake.scoring(entry, prompt, candidate)], share)
        assert isinstance(score, float)
        return score

    async def pool(self, task: str, share: Share = EQUAL) -> Pooled:
        """The mean of the boundary activations over a task's tokens, by the shared layers alone.

        Every expert's prompt for the task begins with what is computed here, and finds it in the cache. Raises
        PromptTooLong, EngineBusy or EngineClosed.
        """
        with self._admitted():
            pooled = await self._first(lambda: [self._intake.pooling(task)], share)
        assert isinstance(pooled, Pooled)
        return pooled

    def gate(self) -> Gate:
        """What chooses an expert for a text, from the experts and the trained gates that there are now."""
        return self._pool.gate()

    async def _first(self, prepare: Callable[[], list[Asked]], share: Share) -> Output:
        """The first output of a sequence; it has no other."""
        async with aclosing(self._outputs(prepare, share)) as outputs:
            async for output in outputs:
                return output
        raise AssertionError("a sequence ends with an output or an error")

    async def prefetch(self, expert: str) -> None:
        """Have an expert in memory before it is asked. Raises UnknownExpert, CheckpointError or EngineClosed."""
        entry = await self._loaded(expert)
        await self._calls.ask(lambda: self._pool.load(entry))  # it counts as used

    async def _loaded(self, expert: str) -> Entry:
        """An expert's active version, read beside the engine's thread if it is not in memory."""
        entry = self.registry.get(expert)
        if not self._pool.has(entry.card.key):
            await self._loading.wait_for(entry)
        return entry

    async def _keep(self, entry: Entry, loaded: LoadedExpert) -> None:
        def keep() -> None:
            self._pool.keep(entry.card.key, loaded)
            self._engine.unload()

        await self._calls.ask(keep)

    @contextmanager
    def _admitted(self, num_sequences: int = 1) -> Generator[None]:
        """Counts the answers of a generation, or a scoring, while it is open. Raises EngineBusy or EngineClosed."""
        if self._is_leaving:
            raise EngineClosed("the engine is stopping; ask another one or start the service again")
        if self._num_open + num_sequences > self._config.max_sequences:
            raise EngineBusy(self._num_open)
        self._num_open += num_sequences
        try:
            yield
        finally:
            self._num_open -= num_sequences
            if self._is_leaving and not self._num_open:
                self._idle.set()

    async def _outputs(self, prepare: Callable[[], list[Asked]], share: Share) -> AsyncGenerator[Output]:
        """What comes of new sequences of one prompt; they are aborted when nobody asks for more.

        All but the first are added behind its first output: they find their prompt in the cache.
        """
        loop, outputs = asyncio.get_running_loop(), Mailbox()
        added: list[int] = []  # by the engine's thread, perhaps after whoever asked has gone

        def add(asked: list[Asked]) -> None:
            for one in asked:
                added.append(self._add(one, share, partial(put_from_thread, loop, outputs)))

        def begin() -> list[Asked]:
            first, *others = prepare()
            if first.entry is not None:
                self.registry.get(first.entry.card.name)  # it may have been detached while it was read
            add([first])
            return others

        try:
            others = await self._calls.ask(begin)
            while True:
                output = await outputs.get()
                if isinstance(output, BaseException):
                    raise output
                if others:
                    await self._calls.ask(partial(add, others))
                    others.clear()
                yield output
        finally:
            self._calls.put(partial(self._abort, added))

    async def push(self, directory: Path) -> ExpertCard:
        """Attach an expert, or a new version of one. Raises CheckpointError."""
        await asyncio.to_thread(self._pool.check, directory)
        return await self._calls.ask(lambda: self._pool.push(directory))

    async def pop(self, name: str, *, drain: bool = True) -> ExpertCard:
        """Detach an expert: new sequences are refused, its running ones end by themselves.

        With `drain=False` they end at once with ExpertDetached. Raises UnknownExpert.
        """
        return await self._calls.ask(lambda: self._pop(name, drain))

    def _pop(self, name: str, drain: bool) -> ExpertCard:
        card = self._pool.pop(name)
        if not drain:
            self._fail(self._engine.of_expert(name), ExpertDetached(name))
        self._engine.unload()
        return card

    async def rollback(self, name: str, version: str | None = None) -> ExpertCard:
        """Make an earlier version active; running sequences keep theirs.

        Raises UnknownExpert, NoEarlierVersion or CheckpointError.
        """
        entry = self.registry.earlier(name) if version is None else self.registry.get(name, version)
        if entry.directory is not None:
            await asyncio.to_thread(self._pool.check, entry.directory)
        # by its name: what was checked becomes active, whatever was pushed meanwhile
        return await self._calls.ask(lambda: self.registry.rollback(*entry.card.key).card)

    async def metrics(self) -> EngineMetrics:
        """What the engine has done and has to do, between two steps."""
        return await self._calls.ask(lambda: self._engine.metrics())

    async def drain(self) -> None:
        """Take no more work, and wait until all that runs or waits has ended."""
        self._is_leaving = True
        if self._num_open:
            await self._idle.wait()

    async def close(self) -> None:
        """Stop the thread; generations that still run raise EngineClosed."""
        self._calls.close()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        """The thread: take what is new, then one engine step."""
        while True:
            while not self._puts or not self._calls.is_empty:
                function = self._calls.get()
                if function is None:
                    return self._stop()
                function()
            self._step()

    def _step(self) -> None:
        try:
            outputs = self._engine.step()
        except Exception as error:  # noqa: BLE001 - all who wait get it, and the thread goes on for others
            self._fail(list(self._puts), error)
            return
        for sequence_id, output in outputs:
            self._puts[sequence_id](output)
            if not isinstance(output, TokenEvent) or output.finish_reason is not None:
                del self._puts[sequence_id]

    def _stop(self) -> None:
        self._fail(list(self._puts), EngineClosed("the engine stopped before the answer was complete"))
        self._resources.close()

    def _fail(self, sequence_ids: list[int], error: Exception) -> None:
        """End sequences with an error."""
        for sequence_id in sequence_ids:
            self._puts[sequence_id](error)
        self._abort(sequence_ids)

    def _abort(self, sequence_ids: list[int]) -> None:
        for sequence_id in sequence_ids:
            if self._puts.pop(sequence_id, None) is not None:
                self._engine.abort(sequence_id)

    def _add(self, asked: Asked, share: Share, put: Put) -> int:
        key = NO_EXPERT if asked.entry is None else self._pool.load(asked.entry)
        sequence_id = self._engine.add(key, asked.token_ids, asked.work, share)
        self._puts[sequence_id] = put
        return sequence_id
