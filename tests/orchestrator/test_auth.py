"""Who may ask for what, by policy, scope and key."""

import pytest
from redis.asyncio import Redis

from orchestrator.api_key import KeyPolicy, Scope
from orchestrator.api_key_store import ApiKeyStore
from orchestrator.auth import Auth
from orchestrator.errors import ServiceError
from orchestrator.key_errors import KeyInvalidError, KeyRequiredError, ScopeMissingError
from orchestrator.keys import Keys

ANYTHING: tuple[Scope, ...] = (Scope.RUNS, Scope.EXPERTS)


@pytest.fixture
def store(redis: Redis) -> ApiKeyStore:
    return ApiKeyStore(redis, Keys("default"))


@pytest.mark.parametrize(
    ("policy", "scope", "is_local", "is_open"),
    [
        ("experts", Scope.RUNS, True, True),
        ("experts", Scope.RUNS, False, False),
        ("experts", Scope.EXPERTS, True, False),
        ("all", Scope.RUNS, True, False),
        ("all", Scope.EXPERTS, True, False),
        ("none", Scope.RUNS, False, True),
        ("none", Scope.EXPERTS, False, True),
    ],
)
async def test_what_is_open_without_a_key(
    policy: KeyPolicy, scope: Scope, is_local: bool, is_open: bool, store: ApiKeyStore
) -> None:
    auth = Auth(store, policy, "token")
    if is_open:
        assert (await auth.caller([scope], "any word", is_local=is_local)).name == "anonymous"
        return
    with pytest.raises(KeyRequiredError, match="this needs a key"):
        await auth.caller([scope], None, is_local=is_local)


async def test_a_key_does_what_its_scopes_say(store: ApiKeyStore) -> None:
    auth, secret = Auth(store, "all", "token"), await store.create("ann", (Scope.RUNS,))
    assert (await auth.caller([Scope.RUNS], secret, is_local=False)).name == "ann"
    assert (await auth.caller(ANYTHING, secret, is_local=False)).name == "ann"
    with pytest.raises(ScopeMissingError, match="'ann' has not the scope experts"):
        await auth.caller([Scope.EXPERTS], secret, is_local=False)


async def test_the_token_of_the_data_directory_opens_all(store: ApiKeyStore) -> None:
    auth = Auth(store, "all", "token")
    assert (await auth.caller([Scope.EXPERTS], "token", is_local=False)).name == "local"
    assert "token" not in repr(auth).replace("token=", "")


@pytest.mark.parametrize("secret", ["", "tok", "tokené", f"ccoe_ann_{'0' * 64}"])
async def test_an_unknown_key_opens_nothing(secret: str, store: ApiKeyStore) -> None:
    with pytest.raises(KeyInvalidError, match="unknown or revoked"):
        await Auth(store, "all", "token").caller([Scope.RUNS], secret, is_local=True)


def test_the_remedies_name_the_command() -> None:
    errors: list[ServiceError] = [KeyRequiredError(), KeyInvalidError(), ScopeMissingError("ann", "experts")]
    assert all("ccoe keys create NAME" in error.remedy for error in errors)
    assert [error.status for error in errors] == [401, 401, 403]
