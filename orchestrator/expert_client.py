"""The local engine as the experts of the graphs. Importing this loads torch."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from experts.card import ExpertCard
from experts.config import BackboneConfig, EngineConfig
from experts.engine.async_engine import AsyncEngine
from experts.engine.events import TokenEvent
from experts.engine.sequence import Share
from experts.errors import ExpertError, GrammarError
from experts.prompt import PromptInput, PromptParts, PromptTurn
from experts.sampling_params import Grammar, SamplingParams
from graphs.errors import GenerationError, GrammarStopped
from graphs.protocols import GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling
from orchestrator.expert_host import ExpertHost
from orchestrator.gate_answer import GateAnswer
from orchestrator.settings import Settings


class EngineClient:
    """An ExpertHost on an AsyncEngine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def profiles(self) -> Sequence[ExpertProfile]:
        """The registry's active experts."""
        return [_profile(entry.card) for entry in self._engine.registry.list()]

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncGenerator[Generated]:
        """Stream the answer. Raises GenerationError."""
        params = params_of(max_tokens, constraint, sampling)
        stream = self._engine.generate(expert, parts_of(prompt), params, _share(prompt))
        try:
            async with aclosing(stream) as events:
                async for event in events:
                    yield generated(event)
        except GrammarError as error:
            raise GrammarStopped(expert, str(error)) from error
        except ExpertError as error:
            raise GenerationError(expert, str(error)) from error

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        """Log-probabilities of whole candidates. Raises GenerationError."""
        try:
            return await self._engine.score(expert, parts_of(prompt), candidates, _share(prompt))
        except ExpertError as error:
            raise GenerationError(expert, str(error)) from error

    async def prefetch(self, expert: str) -> None:
        """Have an expert in memory. Raises UnknownExpert or CheckpointError."""
        await self._engine.prefetch(expert)

    async def gate(self, text: str) -> GateAnswer:
        """The expert that a text is for; what is computed for it stays in the cache. Raises an ExpertError."""
        pooled = await self._engine.pool(text, Share(text))
        return GateAnswer.of(self._engine.gate().choose(text, pooled.mean), pooled)

    async def push(self, directory: Path) -> ExpertProfile:
        """Attach an expert. Raises CheckpointError."""
        return _profile(await self._engine.push(directory))

    async def pop(self, name: str) -> ExpertProfile:
        """Detach an expert. Raises UnknownExpert."""
        return _profile(await self._engine.pop(name))

    async def rollback(self, name: str, version: str | None = None) -> ExpertProfile:
        """Make an earlier version active. Raises UnknownExpert, NoEarlierVersion or CheckpointError."""
        return _profile(await self._engine.rollback(name, version))


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncGenerator[ExpertHost]:
    """Load the backbone and the experts of the settings. Raises ExpertError."""
    backbone = BackboneConfig(source=settings.backbone, cache_dir=settings.cache_dir)
    config = EngineConfig(
        backbone,
        experts_dir=settings.experts_dir,
        expert_form=settings.expert_form,
        decode_weights=settings.decode_weights,
        expert_bytes=settings.expert_bytes,
        num_threads=settings.num_threads,
    )
    engine = await AsyncEngine.start(config)
    try:
        yield EngineClient(engine)
    finally:
        await engine.close()


def _profile(card: ExpertCard) -> ExpertProfile:
    said = (card.name, card.version, card.domain, card.description)
    return ExpertProfile(*said, card.tool, card.max_tokens, card.backbone_hash)


def params_of(max_tokens: int, constraint: Constraint | None, sampling: Sampling) -> SamplingParams:
    """How the engine generates what a graph asks for."""
    grammar = Grammar(kind=constraint.kind, value=constraint.value) if constraint else None
    return SamplingParams(max_tokens=max_tokens, temperature=sampling.temperature, seed=sampling.seed, grammar=grammar)


def parts_of(prompt: Prompt) -> PromptParts:
    """A graph's prompt as the engine's."""
    inputs = tuple(PromptInput(known.id, known.text, known.result, known.token_ids) for known in prompt.inputs)
    turns = tuple(PromptTurn(turn.task, turn.answer) for turn in prompt.turns)
    return PromptParts(prompt.task, inputs, prompt.step, prompt.context, prompt.forced, turns)


def _share(prompt: Prompt) -> Share:
    """Runs share the engine equally, whatever their number of steps; a run is known by its task."""
    return Share(prompt.task, prompt.priority)


def generated(event: TokenEvent) -> Generated:
    """An event of the engine as the graphs read it."""
    return Generated(
        event.text,
        event.token_ids,
        event.logprobs,
        event.finish_reason,
        event.usage.num_prompt_tokens if event.usage else 0,
        event.usage.num_output_tokens if event.usage else 0,
    )
