"""The engine behind an asynchronous interface: one thread runs the models, everybody else awaits its events."""

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, aclosing, contextmanager
from functools import partial
from pathlib import Path
from typing import Self, TypeVar, cast

import torch

from experts.card import ExpertCard
from experts.config import EngineConfig
from experts.engine.answer import Answer
from experts.engine.detokenizer import Detokenizer
from experts.engine.engine import Engine, Output, Scoring, Work
from experts.engine.events import TokenEvent
from experts.engine.grammar import GrammarCompiler
from experts.engine.model_pool import ModelPool
from experts.errors import EngineBusy, EngineClosed, PromptTooLong
from experts.prompt import PromptParts, PromptRenderer
from experts.registry import Entry, Registry
from experts.sampling_params import SamplingParams
from experts.source import load_backbone

Result = TypeVar("Result")
Prompt = PromptParts | Sequence[int] | Sequence[dict[str, str]]
"""What can be asked: parts in the service's layout, token ids, or chat messages."""

Asked = tuple[Entry, list[int], Work]
"""A sequence to be added: its expert, its prompt and what becomes of it."""

Put = Callable[[Output | BaseException], None]
"""Takes a sequence's outputs to whoever awaits them."""


class AsyncEngine:
    """Tokens in, tokens out, for every expert of one registry.

    All running sequences advance together, one engine step at a time.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._puts: dict[int, Put] = {}
        """By sequence."""
        self._thread = threading.Thread(target=self._run, name="ccoe-engine", daemon=True)
        self._closed = False
        self._num_open = 0
        self._resources = ExitStack()
        """What is closed when the thread stops."""

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
        self._engine = Engine(self._pool, self._config)
        self._resources.callback(self._engine.close)
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
        """Stream an expert's answer, or all `params.n` of them, mixed; closing the iterator cancels it.

        Each answer ends with its own usage, and all count as sequences. Raises UnknownExpert, PromptTooLong,
        GrammarError, CheckpointError, EngineBusy or EngineClosed.
        """
        num_running = params.n
        with self._admitted(num_running):
            async with aclosing(self._outputs(lambda: self._answers(expert, prompt, params))) as outputs:
                async for output in outputs:
                    assert isinstance(output, TokenEvent)
                    yield output
                    num_running -= output.finish_reason is not None
                    if not num_running:
                        return

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        """The log-probability of each whole candidate as the continuation of the prompt (teacher-forced).

        Raises as `generate` does.
        """
        if not candidates:
            return []
        with self._admitted():
            first = await self._score(expert, prompt, candidates[0])  # and the others find its prefix in the cache
            others = await asyncio.gather(*(self._score(expert, prompt, candidate) for candidate in candidates[1:]))
        return [first, *others]

    async def _score(self, expert: str, prompt: Prompt, candidate: str) -> float:
        async with aclosing(self._outputs(lambda: [self._scoring(expert, prompt, candidate)])) as outputs:
            async for output in outputs:
                assert isinstance(output, float)
                return output
        raise AssertionError("a scoring ends with its score or an error")

    @contextmanager
    def _admitted(self, num_sequences: int = 1) -> Generator[None]:
        """Counts the answers of a generation, or a scoring, while it is open. Raises EngineBusy."""
        if self._num_open + num_sequences > self._config.max_sequences:
            raise EngineBusy(self._num_open)
        self._num_open += num_sequences
        try:
            yield
        finally:
            self._num_open -= num_sequences

    async def _outputs(self, prepare: Callable[[], list[Asked]]) -> AsyncGenerator[Output]:
        """What comes of new sequences of one prompt; they are aborted when nobody asks for more.

        All but the first are added behind its first output: they find their prompt in the cache.
        """
        loop, outputs = asyncio.get_running_loop(), asyncio.Queue[Output | BaseException]()
        added: list[int] = []  # by the engine's thread, perhaps after whoever asked has gone

        def add(asked: list[Asked]) -> None:
            for one in asked:
                added.append(self._add(one, partial(_put_from_thread, loop, outputs)))

        def begin() -> list[Asked]:
            first, *others = prepare()
            add([first])
            return others

        try:
            others = await self._call(begin)
            while True:
                output = await outputs.get()
                if isinstance(output, BaseException):
                    raise output
                if others:
                    await self._call(partial(add, others))
                    others.clear()
                yield output
        finally:
            if not self._closed:
                self._work.put(partial(self._abort, added))

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
            if not future.set_running_or_notify_cancel():
                return  # whoever asked has gone
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - the caller gets it and handles it
                future.set_exception(error)

        self._work.put(run)
        return await asyncio.wrap_future(future)

    def _run(self) -> None:
        """The thread: take what is new, then one engine step."""
        while True:
            while not self._puts or not self._work.empty():
                work = self._work.get()
                if work is None:
                    return self._stop()
                work()
            self._step()

    def _step(self) -> None:
        try:
            outputs = self._engine.step()
        except (RuntimeError, MemoryError) as error:
            self._fail(error)
            return
        for sequence_id, output in outputs:
            self._puts[sequence_id](output)
            if not isinstance(output, TokenEvent) or output.finish_reason is not None:
                del self._puts[sequence_id]

    def _stop(self) -> None:
        self._fail(EngineClosed("the engine stopped before the answer was complete"))
        self._resources.close()

    def _fail(self, error: Exception) -> None:
        """End all sequences with an error."""
        for put in self._puts.values():
            put(error)
        self._abort(list(self._puts))

    def _abort(self, sequence_ids: list[int]) -> None:
        for sequence_id in sequence_ids:
            if self._puts.pop(sequence_id, None) is not None:
                self._engine.abort(sequence_id)

    def _add(self, asked: Asked, put: Put) -> int:
        entry, token_ids, work = asked
        sequence_id = self._engine.add(self._pool.load(entry), token_ids, work)
        self._puts[sequence_id] = put
        return sequence_id

    def _answers(self, expert: str, prompt: Prompt, params: SamplingParams) -> list[Asked]:
        entry, backbone = self.registry.get(expert), self._pool.backbone
        token_ids = self._render(prompt, entry.card)
        room = self._engine.max_tokens - len(token_ids)
        if room < 1:
            raise PromptTooLong(len(token_ids), self._engine.max_tokens)
        params = params.model_copy(update={"max_tokens": min(params.max_tokens, room)})
        matcher = self._grammars.compile(params.grammar) if params.grammar else None

        def answer(index: int) -> Answer:
            detokenizer = Detokenizer(backbone.tokenizer, params.stop, params.min_tokens)
            own = matcher.copy() if matcher else None
            return Answer(params, detokenizer, own, backbone.eos_token_ids, token_ids, index)

        return [(entry, token_ids, answer(index)) for index in range(params.n)]

    def _scoring(self, expert: str, prompt: Prompt, candidate: str) -> Asked:
        entry = self.registry.get(expert)
        token_ids = self._render(prompt, entry.card)
        scoring = Scoring(tuple(self._renderer.encode(candidate)))
        if len(token_ids) + len(scoring.token_ids) > self._engine.max_tokens:
            raise PromptTooLong(len(token_ids), self._engine.max_tokens)
        return entry, token_ids, scoring

    def _render(self, prompt: Prompt, card: ExpertCard) -> list[int]:
        if isinstance(prompt, PromptParts):
            return self._renderer.render(prompt, card.suffix)
        if prompt and isinstance(prompt[0], dict):
            return self._renderer.render_messages(cast(Sequence[dict[str, str]], prompt))
        return list(cast(Sequence[int], prompt))


def _put_from_thread(
    loop: asyncio.AbstractEventLoop, outputs: asyncio.Queue[Output | BaseException], output: Output | BaseException
) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(outputs.put_nowait, output)
