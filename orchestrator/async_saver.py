"""LangGraph's interface of a checkpointer, without its blocking half."""

from typing import Any, NoReturn

from langgraph.checkpoint.base import BaseCheckpointSaver

from orchestrator.errors import AsyncOnlyError


def _async_only(method: str) -> Any:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AsyncOnlyError(method)

    return refuse


class AsyncSaver(BaseCheckpointSaver[str]):
    """A checkpointer whose synchronous methods raise AsyncOnlyError, which names the one to await."""

    get_tuple = _async_only("get_tuple")
    list = _async_only("list")
    put = _async_only("put")
    put_writes = _async_only("put_writes")
    delete_thread = _async_only("delete_thread")
    delete_for_runs = _async_only("delete_for_runs")
    copy_thread = _async_only("copy_thread")
    prune = _async_only("prune")
    get_delta_channel_history = _async_only("get_delta_channel_history")
