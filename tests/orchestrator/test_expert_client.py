"""The local engine as the graphs see it: their prompts go in, their pieces and errors come out."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.checkpoint import save_expert
from experts.engine.async_engine import AsyncEngine
from experts.engine.engine import Engine, Work
from experts.engine.sequence import EQUAL, ExpertKey, Share
from experts.errors import CheckpointError, NoEarlierVersion, UnknownExpert
from experts.expert import Expert
from graphs.errors import GenerationError, GrammarStopped
from graphs.protocols import GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling, StepInput
from orchestrator.expert_client import open_engine
from orchestrator.expert_host import ExpertHost
from orchestrator.settings import read_settings
from tests.experts.conftest import low_rank_expert, make_backbone, save_model
from tests.experts.families import FAMILIES, byte_tokenizer, make_model

ASKED = Prompt(task="Add 2 and 3.", inputs=(StepInput(1, "Find it", "7"),), step="Add 7.", context="Tables: t(a)")


@pytest.fixture
def backbone() -> Backbone:
    return Backbone.split(make_model(FAMILIES[0]), byte_tokenizer())


@pytest.fixture
async def experts(backbone: Backbone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[ExpertHost]:
    """The engine on a tiny backbone."""
    monkeypatch.setenv("CCOE_BACKBONE", str(save_model(backbone, tmp_path / "model")))
    async with open_engine(read_settings()) as opened:
        yield opened


def law_in(folder: Path, backbone: Backbone) -> Path:
    save_expert(low_rank_expert(backbone, "law"), folder / "law")
    return folder / "law"


async def asked(
    experts: ExpertHost,
    expert: str = "general",
    prompt: Prompt = ASKED,
    constraint: Constraint | None = None,
    sampling: Sampling = GREEDY,
) -> list[Generated]:
    stream = experts.generate(expert, prompt, max_tokens=12, constraint=constraint, sampling=sampling)
    return [piece async for piece in stream]


def law_of_seed(folder: Path, backbone: Backbone, seed: int) -> Path:
    save_expert(low_rank_expert(backbone, "law", seed), folder / f"law-{seed}")
    return folder / f"law-{seed}"


def text_of(pieces: list[Generated]) -> str:
    return "".join(piece.text for piece in pieces)


async def test_an_answer_comes_in_pieces_and_the_last_one_has_the_usage(experts: ExpertHost) -> None:
    pieces = await asked(experts, constraint=Constraint("regex", "[ab]{12}"))
    assert set(text_of(pieces)) <= set("ab")
    assert len(text_of(pieces)) == pieces[-1].num_output_tokens == 12
    assert sum(len(piece.token_ids) for piece in pieces) == sum(len(piece.logprobs) for piece in pieces) == 12
    assert [piece.finish_reason for piece in pieces] == [None] * (len(pieces) - 1) + ["stop"]
    assert pieces[-1].num_prompt_tokens > len(ASKED.task)


async def test_every_part_of_the_prompt_is_read(experts: ExpertHost) -> None:
    shorter = [replace(ASKED, inputs=()), replace(ASKED, step=""), replace(ASKED, context="")]
    prompts = (ASKED, *shorter, replace(ASKED, forced=('[{"', "id")))
    whole, *less, more = [(await asked(experts, prompt=prompt))[-1].num_prompt_tokens for prompt in prompts]
    assert all(one < whole for one in less)
    assert more == whole + 5  # the tokenizer has a token per byte


async def test_sampling_reaches_the_engine(experts: ExpertHost) -> None:
    """Greedy and one seed repeat themselves; another seed at a high temperature draws otherwise."""
    hot, other = Sampling(temperature=5.0, seed=1), Sampling(temperature=5.0, seed=2)
    texts = [text_of(await asked(experts, sampling=sampling)) for sampling in (GREEDY, GREEDY, hot, hot, other)]
    assert texts[0] == texts[1]
    assert texts[2] == texts[3]
    assert len({texts[0], texts[2], texts[4]}) == 3


async def test_a_candidate_is_as_likely_as_its_tokens_one_after_the_other(experts: ExpertHost) -> None:
    both, first = await experts.score("general", ASKED, ["ab", "a"])
    (second,) = await experts.score("general", replace(ASKED, forced=("a",)), ["b"])
    assert first < 0
    assert second < 0
    assert both == pytest.approx(first + second, abs=0.3)  # bfloat16 where the processor has it


async def test_a_pushed_expert_answers_until_it_is_popped(
    experts: ExpertHost, backbone: Backbone, tmp_path: Path
) -> None:
    pushed = await experts.push(law_in(tmp_path, backbone))
    assert pushed == ExpertProfile("law", pushed.version, "law", "knows law", None, 256, backbone.hash)
    assert pushed in experts.profiles()
    assert text_of(await asked(experts, "law")) != text_of(await asked(experts, "general"))

    assert await experts.pop("law") == pushed
    assert pushed not in experts.profiles()
    with pytest.raises(GenerationError, match="no expert 'law'"):
        await asked(experts, "law")


async def test_a_rollback_makes_the_earlier_version_answer(
    experts: ExpertHost, backbone: Backbone, tmp_path: Path
) -> None:
    # each is asked once before: behind a cached prefix bfloat16 may round another way than behind a fresh one
    first = await experts.push(law_of_seed(tmp_path, backbone, 1))
    said = [text_of(await asked(experts, "law")) for _ in range(2)][-1]
    second = await experts.push(law_of_seed(tmp_path, backbone, 2))
    await asked(experts, "law")
    stream = experts.generate("law", ASKED, max_tokens=12)
    begun = await anext(aiter(stream))

    assert await experts.rollback("law") == first
    assert text_of(await asked(experts, "law")) == said
    rest = [piece async for piece in stream]
    assert await experts.rollback("law", second.version) == second
    assert text_of([begun, *rest]) == text_of(await asked(experts, "law")) != said


async def test_a_rollback_without_an_earlier_version_changes_nothing(
    experts: ExpertHost, backbone: Backbone, tmp_path: Path
) -> None:
    save_expert(low_rank_expert(backbone, "botany"), tmp_path / "botany")
    botany = await experts.push(tmp_path / "botany")
    for name, version, error in (
        ("botany", None, NoEarlierVersion),
        ("general", None, NoEarlierVersion),
        ("botany", "beef", UnknownExpert),
        ("poetry", None, UnknownExpert),
    ):
        with pytest.raises(error):
            await experts.rollback(name, version)
    assert botany in experts.profiles()


async def test_a_version_whose_weights_are_damaged_does_not_come_back(
    experts: ExpertHost, backbone: Backbone, tmp_path: Path
) -> None:
    first = await experts.push(law_of_seed(tmp_path, backbone, 1))
    second = await experts.push(law_of_seed(tmp_path, backbone, 2))
    (read_settings().experts_dir / "law" / first.version / "weights.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="cannot be read"):
        await experts.rollback("law")
    assert second in experts.profiles()


async def test_general_is_always_there(experts: ExpertHost) -> None:
    assert "general" in {profile.name for profile in experts.profiles()}
    with pytest.raises(UnknownExpert):
        await experts.pop("general")


async def test_an_expert_of_another_backbone_is_refused(experts: ExpertHost, tmp_path: Path) -> None:
    """It was made for two shared layers, where this backbone shares three."""
    with pytest.raises(CheckpointError, match="retrain it"):
        await experts.push(law_in(tmp_path, make_backbone()))


@pytest.mark.parametrize(
    ("expert", "prompt", "constraint", "reason"),
    [
        ("poet", ASKED, None, "no expert 'poet'"),
        ("general", Prompt(task="x" * 300), None, "shorten the task"),
        ("general", ASKED, Constraint("regex", "("), "not a valid regex"),
    ],
)
async def test_what_the_engine_refuses_ends_the_step_only(
    expert: str, prompt: Prompt, constraint: Constraint | None, reason: str, experts: ExpertHost
) -> None:
    with pytest.raises(GenerationError, match=reason) as caught:
        await asked(experts, expert, prompt, constraint)
    assert caught.value.expert == expert
    assert isinstance(caught.value, GrammarStopped) is (constraint is not None)
    assert await asked(experts)


@pytest.mark.parametrize(
    ("expert", "prompt", "reason"),
    [("poet", ASKED, "no expert 'poet'"), ("general", Prompt(task="x" * 300), "shorten the task")],
)
async def test_scoring_fails_as_generating_does(expert: str, prompt: Prompt, reason: str, experts: ExpertHost) -> None:
    with pytest.raises(GenerationError, match=reason):
        await experts.score(expert, prompt, ["a"])


async def test_an_engine_that_is_closed_says_so(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CCOE_BACKBONE", str(save_model(backbone, tmp_path / "model")))
    async with open_engine(read_settings()) as experts:
        pass
    with pytest.raises(GenerationError, match="has stopped"):
        await asked(experts)


async def test_a_run_is_one_flow_and_the_longer_way_goes_first(
    experts: ExpertHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[Share] = []
    add = Engine.add

    def noting(engine: Engine, expert: ExpertKey, prompt: Sequence[int], work: Work, share: Share = EQUAL) -> int:
        shares.append(share)
        return add(engine, expert, prompt, work, share)

    monkeypatch.setattr(Engine, "add", noting)
    await asked(experts, prompt=replace(ASKED, priority=3))
    await experts.score("general", ASKED, ["a"])

    assert shares == [Share(ASKED.task, 3), Share(ASKED.task, 0)]


async def test_an_expert_is_loaded_ahead(experts: ExpertHost) -> None:
    await experts.prefetch("general")
    with pytest.raises(UnknownExpert):
        await experts.prefetch("finance")


async def test_the_gate_reads_what_the_chosen_expert_then_finds(
    experts: ExpertHost, backbone: Backbone, tmp_path: Path
) -> None:
    law = low_rank_expert(backbone, "law")
    rules = law.card.gate.model_copy(update={"keywords": ("add",)})
    save_expert(Expert(law.card.model_copy(update={"gate": rules}), law.tensors), tmp_path / "law")
    await experts.push(tmp_path / "law")

    answer = await experts.gate(ASKED.task)
    assert (answer.expert, answer.reason, answer.num_reused_tokens) == ("law", "rule", 0)
    assert answer.num_reusable_tokens == answer.num_prompt_tokens // 16 * 16 > 0

    assert (await experts.gate(ASKED.task)).num_reused_tokens == answer.num_reusable_tokens
    before = await engine_of(experts).metrics()
    await asked(experts, answer.expert)
    after = await engine_of(experts).metrics()
    assert after.num_reused_backbone_tokens - before.num_reused_backbone_tokens == answer.num_reusable_tokens
    assert after.experts["law"].num_prefill_tokens > answer.num_prompt_tokens
    assert after.num_prefix_tokens == before.num_prefix_tokens


def engine_of(experts: ExpertHost) -> AsyncEngine:
    """Behind the client, for its counters."""
    return experts._engine  # pyright: ignore
