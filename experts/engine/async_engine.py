"""The engine behind an asynchronous interface: one thread runs the models, everybody else awaits its events."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar, cast

import torch

from experts.card import ExpertCard
from experts.config import EngineConfig
from experts.engine.events import TokenEvent
from experts.engine.generation import ModelState, generate
from experts.engine.grammar import GrammarCompiler
from experts.engine.model_pool import ModelPool
from experts.errors import EngineBusy, EngineClosed, ExpertError, PromptTooLong
from experts.prompt import PromptParts, PromptRenderer
from experts.registry import Registry
from experts.sampling_params import SamplingParams
from experts.source import load_backbone

Result = TypeVar("Result")
Prompt = PromptParts | Sequence[int] | Sequence[dict[str, str]]
"""What can be asked: parts in the service's layout, token ids, or chat messages."""


@dataclass(slots=True)
class _Sequence:
    """One running generation: its steps, and where its events go."""

    steps: Iterator[TokenEvent]
    put: Callable[[TokenEvent | BaseException], None]
    is_cancelled: threading.Event = field(default_factory=threading.Event)


class AsyncEngine:
    """Tokens in, tokens out, for every expert of one registry.

    All running sequences advance in turn, one forward each.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._sequences: list[_Sequence] = []
        self._thread = threading.Thread(target=self._run, name="ccoe-engine", daemon=True)
        self._closed = False
        self._num_open = 0

    @classmethod
    async def start(cls, config: EngineConfig) -> Self:
        """Load the backbone and start the thread. Raises BackboneError or CheckpointError."""
        engine = cls(config)
        engine._thread.start()
        try:
            await engine._call(engine._load)
        except BaseException:
            await engine.close()
            raise
        return engine

    def _load(self) -> None:
        if self._config.num_threads is not None:
            torch.set_num_threads(self._config.num_threads)
        backbone = load_backbone(self._config.backbone)
        registry = Registry(self._config.experts_dir, **({} if self._config.with_builtin else {"builtin": None}))
        self._pool = ModelPool(backbone, registry)
        self._renderer = PromptRenderer(backbone.tokenizer)
        vocab_size = int(backbone.model.config.vocab_size)
        self._grammars = GrammarCompiler(backbone.tokenizer, vocab_size, backbone.eos_token_ids)

    @property
    def registry(self) -> Registry:
        """The experts that can be asked."""
        return self._pool.registry

    @property
    def num_sequences(self) -> int:
        """Generations that are running or waiting."""
        return self._num_open

    async def generate(self, expert: str, prompt: Prompt, params: SamplingParams) -> AsyncIterator[TokenEvent]:
        """Stream an expert's answer; closing the iterator cancels it.

        Raises UnknownExpert, PromptTooLong, GrammarError, CheckpointError, EngineBusy or EngineClosed.
        """
        if self._num_open >= self._config.max_sequences:
            raise EngineBusy(self._num_open)
        loop, events = asyncio.get_running_loop(), asyncio.Queue[TokenEvent | BaseException]()
        self._num_open += 1
        sequence: _Sequence | None = None
        try:
            sequence = await self._call(
                lambda: self._add(expert, prompt, params, lambda item: _put_from_thread(loop, events, item))
            )
            while True:
                item = await events.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
                if item.finish_reason is not None:
                    return
        finally:
            self._num_open -= 1
            if sequence is not None:
                sequence.is_cancelled.set()

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        """The log-probability of each whole candidate as the continuation of the prompt (teacher-forced).

        Raises as `generate` does.
        """
        return await self._call(lambda: self._score(expert, prompt, candidates))

    async def push(self, directory: Path) -> ExpertCard:
        """Attach an expert, or a new version of one. Raises CheckpointError."""
        return await self._call(lambda: self._pool.push(directory))

    async def pop(self, name: str) -> ExpertCard:
        """Detach an expert. Raises UnknownExpert."""
        return await self._call(lambda: self._pool.pop(name))

    async def close(self) -> None:
        """Stop the thread; generations that still run raise EngineClosed."""
        if not self._closed:
            self._closed = True
            self._work.put(None)
        await asyncio.to_thread(self._thread.join)

    async def _call(self, function: Callable[[], Result]) -> Result:
        """Run a function on the engine's thread, between two forwards."""
        if self._closed:
            raise EngineClosed("the engine has stopped; start the service again")
        future: Future[Result] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - the caller gets it and handles it
                future.set_exception(error)

        self._work.put(run)
        return await asyncio.wrap_future(future)

    def _run(self) -> None:
        """The thread: take what is new, then one forward of every sequence."""
        while True:
            while not self._sequences or not self._work.empty():
                work = self._work.get()
                if work is None:
                    return self._abort()
                work()
            self._sequences = [sequence for sequence in self._sequences if self._advance(sequence)]

    def _abort(self) -> None:
        for sequence in self._sequences:
            sequence.put(EngineClosed("the engine stopped before the answer was complete"))
        self._sequences.clear()

    def _advance(self, sequence: _Sequence) -> bool:
        """One forward of a sequence; false when it has ended."""
        if sequence.is_cancelled.is_set():
            return False
        try:
            event = next(sequence.steps)
        except (ExpertError, RuntimeError, MemoryError) as error:
            sequence.put(error)
            return False
        sequence.put(event)
        return event.finish_reason is None

    def _add(
        self, expert: str, prompt: Prompt, params: SamplingParams, put: Callable[[TokenEvent | BaseException], None]
    ) -> _Sequence:
        entry = self.registry.get(expert)
        token_ids = self._render(prompt, entry.card)
        room = self._pool.backbone.max_context - len(token_ids)
        if room < 1:
            raise PromptTooLong(len(token_ids), self._pool.backbone.max_context)
        params = params.model_copy(update={"max_tokens": min(params.max_tokens, room)})
        matcher = self._grammars.compile(params.grammar) if params.grammar else None
        backbone = self._pool.backbone
        model = self._pool.model(entry)
        steps = generate(model, backbone.tokenizer, token_ids, params, matcher, backbone.eos_token_ids)
        sequence = _Sequence(steps, put)
        self._sequences.append(sequence)
        return sequence

    def _score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        entry = self.registry.get(expert)
        token_ids = self._render(prompt, entry.card)
        if len(token_ids) >= self._pool.backbone.max_context:
            raise PromptTooLong(len(token_ids), self._pool.backbone.max_context)
        tokenizer = self._pool.backbone.tokenizer
        plain = {"add_special_tokens": False, "split_special_tokens": True}
        encoded = [tokenizer.encode(candidate, **plain) for candidate in candidates]
        state = ModelState(self._pool.model(entry))
        return state.score(encoded, state.forward(token_ids))

    def _render(self, prompt: Prompt, card: ExpertCard) -> list[int]:
        if isinstance(prompt, PromptParts):
            return self._renderer.render(prompt, card.suffix)
        if prompt and isinstance(prompt[0], dict):
            return self._renderer.render_messages(cast(Sequence[dict[str, str]], prompt))
        return list(cast(Sequence[int], prompt))


def _put_from_thread(
    loop: asyncio.AbstractEventLoop, events: asyncio.Queue[TokenEvent | BaseException], item: TokenEvent | BaseException
) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(events.put_nowait, item)
