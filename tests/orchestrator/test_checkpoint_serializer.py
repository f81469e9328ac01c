"""What comes back from a checkpoint is plain data or a listed class; all else is refused, nothing is run."""

import pickle
from collections import deque
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.types import Command, Interrupt, Overwrite, Send
from pydantic import BaseModel

from graphs.events import Answered, StepResult
from graphs.state import STATE_CLASSES
from orchestrator.checkpoint_serializer import CheckpointSerializer
from orchestrator.errors import CheckpointRefusedError

SERIALIZER = CheckpointSerializer(STATE_CLASSES)
RESULT = StepResult(id=1, status="success", result="48", token_ids=(4, 8), warnings=("unverified",))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 99), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_data_comes_back(value: Any) -> None:
    assert SERIALIZER.loads_typed(SERIALIZER.dumps_typed(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        {1: RESULT},
        Answered(answer="It is 48.", source="assembled", reason="the joiner failed"),
        {"when": datetime(2026, 1, 1, 12, tzinfo=UTC), "day": date(2026, 1, 1), "at": time(12, 30)},
        [timedelta(seconds=3), Decimal("1.50"), UUID(int=7), deque([1, 2]), frozenset({1}), {2, 3}],
        [Send("r1.s1", {"result": RESULT}), Command(goto="r1.s1"), Overwrite([1]), Interrupt("approve?")],
        bytearray(b"bytes"),
    ],
    ids=["results", "answer", "times", "library", "langgraph", "bytes"],
)
def test_what_a_state_holds_comes_back(value: Any) -> None:
    assert SERIALIZER.loads_typed(SERIALIZER.dumps_typed(value)) == value


def test_models_come_back_as_models() -> None:
    back = SERIALIZER.loads_typed(SERIALIZER.dumps_typed({1: RESULT}))
    assert back == {1: RESULT}
    assert isinstance(back[1], StepResult) and back[1].token_ids == (4, 8)


def naming(code: int, *content: Any) -> ormsgpack.Ext:
    """An extension that asks for a class or function by name."""
    return ormsgpack.Ext(code, ormsgpack.packb(content))


def packed(value: Any) -> tuple[str, bytes]:
    return "msgpack", ormsgpack.packb(value)


@pytest.mark.parametrize("code", range(8))
@pytest.mark.parametrize("is_nested", [False, True])
def test_nothing_is_called_by_name(code: int, is_nested: bool, tmp_path: Path) -> None:
    """Neither with one argument, nor several, nor by a method, at any depth; code 7 has no name but a value inside."""
    mark = tmp_path / "mark"
    hostile = naming(code, "os", "system", f"touch {mark}", "fromisoformat")
    if code == 7:
        hostile = naming(code, naming(0, "os", "system", f"touch {mark}"))
    value = naming(0, "collections", "deque", [hostile]) if is_nested else {"results": [hostile]}
    with pytest.raises(CheckpointRefusedError, match=r"os\.system is no class that may be revived"):
        SERIALIZER.loads_typed(packed(value))
    assert not mark.exists()


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(CheckpointRefusedError, match="'pickle' is a format that is not read"):
        SERIALIZER.loads_typed(("pickle", pickle.dumps(_Touch(mark))))
    with pytest.raises(CheckpointRefusedError, match="not msgpack serializable: _Touch"):
        SERIALIZER.dumps_typed({"x": _Touch(mark)})
    assert not mark.exists()


def test_constructors_in_json_are_not_read() -> None:
    constructor = b'{"lc": 2, "type": "constructor", "id": ["os", "system"], "args": ["true"]}'
    with pytest.raises(CheckpointRefusedError, match="'json'"):
        SERIALIZER.loads_typed(("json", constructor))


class Stranger(BaseModel):
    """In no list."""

    name: str


class Pair(NamedTuple):
    """In no list either."""

    first: int
    second: int


@pytest.mark.parametrize("value", [Stranger(name="x"), Pair(1, 2), Path("x")])
def test_an_unlisted_class_is_refused_when_it_is_written(value: Any) -> None:
    """Not only when the run is to be resumed and it is too late."""
    with pytest.raises(CheckpointRefusedError, match=rf"{type(value).__name__} is no class") as caught:
        SERIALIZER.dumps_typed([value])
    assert "graphs/state.py" in caught.value.remedy


@pytest.mark.parametrize(
    "fields", [{"id": "x", "status": "success"}, {"id": 1}, {"id": 1, "status": "success", "rank": 2}]
)
def test_fields_that_do_not_fit_are_refused(fields: dict[str, Any]) -> None:
    """LangGraph's own reader would make a model of them unchecked."""
    with pytest.raises(CheckpointRefusedError, match="validation error"):
        SERIALIZER.loads_typed(packed(naming(5, "graphs.events", "StepResult", fields, "model_validate_json")))


@pytest.mark.parametrize(
    "content",
    [b"", b"\xc1", ormsgpack.packb(ormsgpack.Ext(9, b"\x01")), ormsgpack.packb(ormsgpack.Ext(0, b"\x01"))],
    ids=["empty", "invalid", "unknown extension", "no class"],
)
def test_damaged_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(CheckpointRefusedError):
        SERIALIZER.loads_typed(("msgpack", content))


def test_deep_nesting_is_refused() -> None:
    value: Any = 1
    for _ in range(3000):
        value = naming(0, "collections", "deque", [value])
    with pytest.raises(CheckpointRefusedError):
        SERIALIZER.loads_typed(packed(value))


def test_langgraphs_allow_list_adds_nothing() -> None:
    """A graph compiled under LANGGRAPH_STRICT_MSGPACK offers the classes it finds in its state."""
    wider = SERIALIZER.with_msgpack_allowlist([("os", "system")])
    with pytest.raises(CheckpointRefusedError):
        wider.loads_typed(packed(naming(0, "os", "system", "true")))
