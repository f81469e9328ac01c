"""Every key comes from the factory and belongs to a retention class."""

import re

import pytest

from orchestrator.keys import KINDS, Keys, Retention, conversation_of, kind_of, retention_of, run_id_of, thread_id_of

KEYS = Keys("default")


def test_the_keys_of_a_run_share_a_hash_tag() -> None:
    tags = {re.findall(r"\{(.*?)\}", key)[0] for key in KEYS.of_run("01a2")}
    assert tags == {"default/01a2"}


def test_tenants_share_no_key() -> None:
    other = Keys("other")
    assert not {*KEYS.of_run("01a2"), KEYS.runs, *KEYS.lanes, KEYS.delayed} & {
        *other.of_run("01a2"),
        other.runs,
        *other.lanes,
        other.delayed,
    }


@pytest.mark.parametrize("key", KEYS.of_run("01a2"))
def test_keys_of_a_run_expire_when_it_is_terminal(key: str) -> None:
    assert "01a2" in (run_id_of(key), thread_id_of(key))
    assert retention_of(key, is_terminal=False) is Retention.LIVE
    kept = Retention.TRACES if key == KEYS.events("01a2") else Retention.FINISHED
    assert retention_of(key, is_terminal=True) is kept
    assert not Retention.LIVE.expires
    assert kept.expires


def test_a_thread_may_have_any_id() -> None:
    thread_id = "a {thread}: 1/2 ü"
    for key in KEYS.of_thread(thread_id):
        assert thread_id_of(key) == thread_id
        assert re.findall(r"\{(.*?)\}", key) == re.findall(r"\{(.*?)\}", KEYS.run(thread_id))
        assert retention_of(key, is_terminal=True) is Retention.FINISHED


@pytest.mark.parametrize("key", KEYS.of_conversation("a-1.b"))
def test_keys_of_a_conversation_live_while_a_run_of_it_is_open(key: str) -> None:
    assert conversation_of(key) == "a-1.b"
    assert run_id_of(key) is None and thread_id_of(key) is None
    assert retention_of(key, is_terminal=False) is Retention.LIVE
    assert retention_of(key, is_terminal=True) is Retention.USED
    assert Retention.USED.expires


def test_a_conversation_has_no_key_of_a_thread_of_checkpoints_and_the_same_hash_tag() -> None:
    keys = [*KEYS.of_conversation("01a2"), *KEYS.of_run("01a2")]
    assert len(set(keys)) == len(keys)
    assert {re.findall(r"\{(.*?)\}", key)[0] for key in keys} == {"default/01a2"}


def test_indexes_and_queues_are_permanent() -> None:
    places = [f"{KEYS.concurrency}{name}:{kind}" for name in ("a.b_1", "thread:a-1") for kind in ("active", "parked")]
    agendas, lists = (*KEYS.schedules, *KEYS.webhooks), (KEYS.runs, KEYS.threads, KEYS.delayed, *KEYS.lanes)
    for key in (*lists, KEYS.experts_audit, KEYS.api_keys, *places, *agendas):
        assert retention_of(key, is_terminal=False) is Retention.PERMANENT
    assert not Retention.PERMANENT.expires


def test_idempotency_keys_are_hashed_and_expire() -> None:
    key = KEYS.idempotency("any text: {of} a caller")
    assert re.fullmatch(r"ccoe:\{default\}:idempotency:[0-9a-f]{64}", key)
    assert retention_of(key, is_terminal=False) is Retention.RECENT
    assert Retention.RECENT.expires


def test_cached_steps_are_hashed_and_expire() -> None:
    key = KEYS.cached_step("made by ccoe 1, a digest")
    assert re.fullmatch(r"ccoe:\{default\}:step_cache:[0-9a-f]{64}", key)
    assert key != Keys("other").cached_step("made by ccoe 1, a digest")
    assert retention_of(key, is_terminal=False) is Retention.CACHED
    assert Retention.CACHED.expires


def test_what_a_script_of_the_queue_touches_shares_a_hash_tag() -> None:
    keys = [*KEYS.lanes, KEYS.delayed, KEYS.runs, KEYS.concurrency, KEYS.idempotency("a")]
    assert {re.findall(r"\{(.*?)\}", key)[0] for key in keys} == {"default"}


def test_what_a_script_of_an_agenda_touches_shares_a_hash_tag() -> None:
    for keys in (KEYS.schedules, KEYS.webhooks):
        assert {re.findall(r"\{(.*?)\}", key)[0] for key in keys} == {"default"}


@pytest.mark.parametrize("key", ["ccoe:stray", "ccoe:{default/01a2}:notes", "other:{default}:runs", "ccoe:{default}:x"])
def test_a_key_of_nobody_is_known_as_such(key: str) -> None:
    assert retention_of(key, is_terminal=False) is None


def test_every_key_of_the_factory_is_of_one_kind_and_every_kind_is_made() -> None:
    owned = [
        *KEYS.of_run("01a2"),
        *KEYS.lanes,
        f"{KEYS.concurrency}a:active",
        KEYS.idempotency("a"),
        KEYS.cached_step("a"),
    ]
    agendas = [*KEYS.schedules, *KEYS.webhooks, *KEYS.of_conversation("a-1")]
    made = [*owned, *agendas, KEYS.runs, KEYS.threads, KEYS.experts_audit, KEYS.api_keys, KEYS.delayed, KEYS.health]
    assert {kind_of(key) for key in made} == set(KINDS)
