"""Keys of the HTTP API in a real Valkey."""

import pytest
from redis.asyncio import Redis

from orchestrator.api_key import Scope
from orchestrator.api_key_store import ApiKeyStore
from orchestrator.key_errors import KeyNameTakenError, KeyNotFoundError
from orchestrator.keys import Keys

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def store(redis: Redis) -> ApiKeyStore:
    return ApiKeyStore(redis, Keys("default"))


async def test_a_key_is_found_by_its_secret_until_it_is_revoked(store: ApiKeyStore) -> None:
    secret = await store.create("ann", (Scope.RUNS, Scope.EXPERTS))
    found = await store.find(secret)
    assert found is not None
    assert (found.name, found.tenant, found.scopes) == ("ann", "default", (Scope.RUNS, Scope.EXPERTS))
    assert await store.list() == [found]

    await store.revoke("ann")
    assert await store.find(secret) is None
    assert await store.list() == []


async def test_a_wrong_secret_finds_nothing(store: ApiKeyStore) -> None:
    secret = await store.create("ann", (Scope.RUNS,))
    for wrong in ("", "ccoe", f"{secret[:-1]}{'1' if secret[-1] == '0' else '0'}", secret.replace("ann", "bob")):
        assert await store.find(wrong) is None


async def test_only_a_hash_is_in_redis(store: ApiKeyStore, redis: Redis) -> None:
    secret = await store.create("ann", (Scope.RUNS,))
    kept = str(await redis.hgetall(Keys("default").api_keys))
    assert '"sha256":"' in kept
    assert secret.removeprefix("ccoe_ann_") not in kept


async def test_a_name_is_taken_once(store: ApiKeyStore) -> None:
    secret = await store.create("ann", (Scope.RUNS,))
    with pytest.raises(KeyNameTakenError, match="there is a key 'ann'"):
        await store.create("ann", (Scope.EXPERTS,))
    assert await store.find(secret) is not None


async def test_who_has_no_key_has_none_to_revoke(store: ApiKeyStore) -> None:
    with pytest.raises(KeyNotFoundError, match="there is no key 'ann'"):
        await store.revoke("ann")


async def test_a_key_opens_its_own_tenant_only(store: ApiKeyStore, redis: Redis) -> None:
    other = ApiKeyStore(redis, Keys("other"))
    assert await other.find(await store.create("ann", (Scope.RUNS,))) is None
    assert await other.list() == []
