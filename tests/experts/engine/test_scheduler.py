"""Who runs in the next step: without tensors, the scheduler can be played through."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from experts.config import SchedulerConfig
from experts.engine.block_manager import BlockManager
from experts.engine.scheduler import Scheduler
from experts.engine.sequence import Scheduled, Sequence, Share

LAW, MATH = ("law", "v1"), ("math", "v1")


def make_sequence(number: int, num_tokens: int, expert: tuple[str, str] = LAW, **more: object) -> Sequence:
    tokens = [1000 * number + i for i in range(num_tokens)]
    return Sequence(number, expert, tokens, num_tokens, **more)  # pyright: ignore[reportArgumentType]


def make_scheduler(num_blocks: int = 100, **limits: int) -> Scheduler:
    return Scheduler(SchedulerConfig(**limits), BlockManager(num_blocks, num_blocks, block_size=4))


def step(scheduler: Scheduler, token_id: int = 7) -> dict[int, int]:
    """One engine step with a model that always says the same; tokens computed, by sequence."""
    scheduled = scheduler.schedule()
    scheduler.update(scheduled)
    for one in scheduled:
        if not one.sequence.num_uncomputed_tokens:
            one.sequence.token_ids.append(token_id)
    scheduler.check_integrity()
    return {one.sequence.id: one.num_new_tokens for one in scheduled}


def test_a_prompt_is_computed_in_chunks_while_others_decode() -> None:
    scheduler = make_scheduler(max_chunk_tokens=8, max_step_tokens=20)
    scheduler.add(make_sequence(1, 5))
    assert step(scheduler) == {1: 5}

    scheduler.add(make_sequence(2, 18))

    assert [step(scheduler) for _ in range(4)] == [{1: 1, 2: 8}, {1: 1, 2: 8}, {1: 1, 2: 2}, {1: 1, 2: 1}]


def test_a_step_has_a_token_budget() -> None:
    scheduler = make_scheduler(max_step_tokens=10)
    for number in (1, 2, 3):
        scheduler.add(make_sequence(number, 6))

    assert step(scheduler) == {1: 6, 2: 4}
    assert step(scheduler) == {1: 1, 2: 2, 3: 6}


def test_a_higher_priority_goes_first() -> None:
    scheduler = make_scheduler(max_running=1)
    scheduler.add(make_sequence(1, 6))
    scheduler.add(make_sequence(2, 6, share=Share(priority=1.0)))

    assert step(scheduler) == {2: 6}


def test_priority_counts_within_a_flow_only() -> None:
    """Else a run with a long way to go would keep out all others."""
    scheduler = make_scheduler(max_running=1, max_step_tokens=8)
    scheduler.add(make_sequence(1, 8, share=Share("long", priority=5.0)))
    scheduler.add(make_sequence(2, 8, share=Share("long", priority=9.0)))
    scheduler.add(make_sequence(3, 8, share=Share("short")))
    assert step(scheduler) == {2: 8}

    scheduler.remove(scheduler.running[0])

    assert step(scheduler) == {3: 8}


def test_flows_get_equal_shares() -> None:
    """A flow with many sequences does not keep out one with few."""
    scheduler = make_scheduler(max_step_tokens=8)
    for number in range(1, 7):
        scheduler.add(make_sequence(number, 8, share=Share("many")))
    step(scheduler)
    scheduler.add(make_sequence(7, 8, share=Share("few")))

    assert step(scheduler) == {1: 1, 2: 7}
    assert step(scheduler) == {1: 1, 2: 1, 7: 6}


def test_a_prefix_is_computed_once() -> None:
    scheduler = make_scheduler()
    first, second, other = make_sequence(1, 11), make_sequence(2, 11), make_sequence(3, 11, MATH)
    second.token_ids = [*first.token_ids]
    other.token_ids = [*first.token_ids]
    scheduler.add(first)
    step(scheduler)

    scheduler.add(second)
    scheduler.add(other)
    scheduled = {one.sequence.id: one for one in scheduler.schedule()}

    assert (scheduled[2].backbone_positions, scheduled[2].upper_positions) == (range(8, 11), range(8, 11))
    assert (scheduled[3].backbone_positions, scheduled[3].upper_positions) == (range(8, 11), range(0, 11))


def test_the_last_in_order_gives_up_its_blocks() -> None:
    scheduler = make_scheduler(num_blocks=5)
    first, second = make_sequence(1, 8), make_sequence(2, 8)
    scheduler.add(first)
    scheduler.add(second)
    for _ in range(6):
        step(scheduler)

    assert (scheduler.num_preemptions, len(scheduler.running), len(scheduler.waiting)) == (1, 1, 1)
    assert not second.upper.blocks and first.num_computed_tokens > 12


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 20), st.integers(1, 12), st.sampled_from([LAW, MATH])),
        st.tuples(st.just("remove"), st.integers(0, 9)),
        st.tuples(st.just("step")),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(events=EVENTS, num_blocks=st.integers(8, 30), max_running=st.integers(1, 6), budget=st.integers(1, 30))
def test_no_block_is_lost_and_everybody_gets_to_the_end(
    events: list[Any], num_blocks: int, max_running: int, budget: int
) -> None:
    scheduler = make_scheduler(num_blocks, max_running=max_running, max_step_tokens=budget)
    open_sequences: dict[int, tuple[Sequence, int]] = {}

    def advance() -> None:
        scheduled = scheduler.schedule()
        assert bool(scheduled) == bool(open_sequences)
        assert sum(one.num_new_tokens for one in scheduled) <= budget
        scheduler.update(scheduled)
        for one in scheduled:
            _collect(one)
        scheduler.check_integrity()

    def _collect(one: Scheduled) -> None:
        sequence, wanted = open_sequences[one.sequence.id]
        if not sequence.num_uncomputed_tokens:
            sequence.token_ids.append(5)
        if sequence.num_tokens >= wanted:
            scheduler.remove(sequence)
            del open_sequences[sequence.id]

    for number, event in enumerate(events):
        match event:
            case ("add", num_prompt, num_new, expert):
                sequence = Sequence(number, expert, [1] * num_prompt, num_prompt, Share(str(number % 3)))
                scheduler.add(sequence)
                open_sequences[number] = (sequence, num_prompt + num_new)
            case ("remove", index) if index < len(open_sequences):
                number = list(open_sequences)[index]
                scheduler.remove(open_sequences.pop(number)[0])
            case ("step",):
                advance()
            case _:
                pass
    for _ in range(3000):
        if not open_sequences:
            break
        advance()
    assert not open_sequences
