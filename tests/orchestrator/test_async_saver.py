"""A blocking method says which one to await."""

import pytest

from orchestrator.async_saver import AsyncSaver
from orchestrator.errors import AsyncOnlyError

BLOCKING = ("get_tuple", "list", "put", "put_writes", "delete_thread", "delete_for_runs", "copy_thread", "prune")


@pytest.mark.parametrize("method", [*BLOCKING, "get_delta_channel_history"])
def test_blocking_methods_name_the_one_to_await(method: str) -> None:
    with pytest.raises(AsyncOnlyError, match=method) as caught:
        getattr(AsyncSaver(), method)()
    assert caught.value.remedy == f"await a{method}"
    assert hasattr(AsyncSaver, f"a{method}")
