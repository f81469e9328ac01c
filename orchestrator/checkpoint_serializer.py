"""Values of checkpoints as bytes: msgpack that revives listed classes only, and never imports or unpickles."""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import ormsgpack
from langgraph.checkpoint.serde.jsonplus import (
    EXT_CONSTRUCTOR_KW_ARGS,
    EXT_CONSTRUCTOR_POS_ARGS,
    EXT_CONSTRUCTOR_SINGLE_ARG,
    EXT_DELTA_SNAPSHOT,
    EXT_METHOD_SINGLE_ARG,
    EXT_PYDANTIC_V2,
    JsonPlusSerializer,
)
from langgraph.checkpoint.serde.types import _DeltaSnapshot  # pyright: ignore[reportPrivateUsage]
from langgraph.types import Command, Interrupt, Overwrite, Send
from pydantic import BaseModel

from orchestrator.errors import CheckpointRefusedError

_PLAIN: tuple[type, ...] = (date, datetime, time, timedelta, timezone, Decimal, UUID, deque, frozenset, set)
_OF_LANGGRAPH: tuple[type, ...] = (Command, Interrupt, Overwrite, Send)
_BYTES: dict[str, Callable[[bytes], Any]] = {"null": lambda _: None, "bytes": bytes, "bytearray": bytearray}


class CheckpointSerializer(JsonPlusSerializer):
    """LangGraph's own format, read strictly: besides plain data only the given classes come back.

    Both methods raise CheckpointRefusedError; a value that could not be read again is refused when it is written.
    """

    def __init__(self, classes: Iterable[type]) -> None:
        super().__init__(allowed_msgpack_modules=None)
        self._classes = {(known.__module__, known.__name__): known for known in (*_PLAIN, *_OF_LANGGRAPH, *classes)}

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Kind and bytes of a value."""
        try:
            typed = super().dumps_typed(obj)
        except TypeError as error:  # the encoder's own error is one, too
            raise CheckpointRefusedError(str(error)) from error
        self.loads_typed(typed)
        return typed

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value of a kind and bytes."""
        kind, content = data
        if kind in _BYTES:
            return _BYTES[kind](content)
        if kind != "msgpack":
            raise CheckpointRefusedError(f"{kind!r} is a format that is not read")
        reader = _Reader(self._classes)
        try:
            return reader.unpack(content)
        except ValueError as error:
            raise CheckpointRefusedError(reader.refusal or str(error)) from error


class _Reader:
    """One value that is read. msgpack drops what a hook raises, so that the first refusal is kept here."""

    def __init__(self, classes: dict[tuple[str, str], type]) -> None:
        self._classes = classes
        self.refusal = ""

    def unpack(self, data: bytes) -> Any:
        return ormsgpack.unpackb(data, ext_hook=self._revive, option=ormsgpack.OPT_NON_STR_KEYS)

    def _revive(self, code: int, data: bytes) -> Any:
        try:
            content = self.unpack(data)
            return _DeltaSnapshot(content) if code == EXT_DELTA_SNAPSHOT else self._construct(code, content)
        except (TypeError, ValueError, RecursionError) as error:
            self.refusal = self.refusal or str(error)
            raise

    def _construct(self, code: int, content: Any) -> Any:
        match code, content:
            case (code, [str(module), str(name), argument, *method]):
                known: Any = self._classes.get((module, name))
            case _:
                raise ValueError(f"extension {code} is not known")
        if known is None:
            raise ValueError(f"{module}.{name} is no class that may be revived")
        if code == EXT_PYDANTIC_V2 and issubclass(known, BaseModel):
            return known.model_validate(argument)
        if code == EXT_METHOD_SINGLE_ARG and (known, method) == (datetime, ["fromisoformat"]):
            return datetime.fromisoformat(argument)
        if code == EXT_CONSTRUCTOR_SINGLE_ARG:
            return known(argument)
        if code == EXT_CONSTRUCTOR_POS_ARGS:
            return known(*argument)
        if code == EXT_CONSTRUCTOR_KW_ARGS:
            return known(**argument)
        raise ValueError(f"extension {code} does not make a {module}.{name}")
