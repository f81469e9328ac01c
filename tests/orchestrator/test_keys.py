"""Every key comes from the factory and belongs to a retention class."""

import re

import pytest

from orchestrator.keys import Keys, Retention, retention_of, run_id_of

KEYS = Keys("default")


def test_the_keys_of_a_run_share_a_hash_tag() -> None:
    tags = {re.findall(r"\{(.*?)\}", key)[0] for key in KEYS.of_run("01a2")}
    assert tags == {"default/01a2"}


def test_tenants_share_no_key() -> None:
    other = Keys("other")
    assert not {*KEYS.of_run("01a2"), KEYS.runs, KEYS.active} & {*other.of_run("01a2"), other.runs, other.active}


@pytest.mark.parametrize("key", KEYS.of_run("01a2"))
def test_keys_of_a_run_expire_when_it_is_terminal(key: str) -> None:
    assert run_id_of(key) == "01a2"
    assert retention_of(key, is_terminal=False) is Retention.LIVE
    assert retention_of(key, is_terminal=True) is Retention.FINISHED
    assert not Retention.LIVE.expires
    assert Retention.FINISHED.expires


def test_indexes_are_permanent_and_workers_hold_leases() -> None:
    assert retention_of(KEYS.runs, is_terminal=False) is Retention.PERMANENT
    assert retention_of(KEYS.active, is_terminal=False) is Retention.PERMANENT
    assert retention_of(KEYS.experts_audit, is_terminal=False) is Retention.PERMANENT
    assert retention_of(KEYS.api_keys, is_terminal=False) is Retention.PERMANENT
    assert retention_of(KEYS.worker("ab12"), is_terminal=False) is Retention.LEASE
    assert Retention.LEASE.expires
    assert not Retention.PERMANENT.expires


@pytest.mark.parametrize("key", ["ccoe:stray", "ccoe:{default/01a2}:notes", "other:{default}:runs", "ccoe:{default}:x"])
def test_a_key_of_nobody_is_known_as_such(key: str) -> None:
    assert retention_of(key, is_terminal=False) is None
