"""The audit on disk: only ever appended to, read from its end."""

import threading
from pathlib import Path

import pytest

from orchestrator.audit_file import AuditFile
from orchestrator.expert_audit import ExpertChange


def change(version: str) -> ExpertChange:
    return ExpertChange.now("push", "law", version, None, "local")


def test_the_newest_change_comes_first(tmp_path: Path) -> None:
    audit, changes = AuditFile(tmp_path / "experts"), [change(f"v{number}") for number in range(3)]
    assert audit.newest(5) == []
    for one in changes:
        with audit.changing():
            audit.append(one)
    assert audit.newest(5) == changes[::-1]
    assert audit.newest(2) == changes[:0:-1]
    assert audit.path == tmp_path / "experts" / "audit.jsonl"


def test_a_line_that_was_cut_is_told_and_spoils_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    audit, first, second = AuditFile(tmp_path), change("v1"), change("v2")
    with audit.changing():
        audit.append(first)
        with audit.path.open("a") as file:
            file.write('{"at": "2026')
        audit.append(second)
    assert audit.newest(5) == [second, first]
    assert "audit.jsonl:2 is damaged" in caplog.text


def test_one_change_at_a_time(tmp_path: Path) -> None:
    audit, began, ended = AuditFile(tmp_path), threading.Event(), threading.Event()

    def other() -> None:
        began.set()
        with audit.changing():
            ended.set()

    thread = threading.Thread(target=other)
    with audit.changing():
        thread.start()
        assert began.wait(20)
        assert not ended.wait(0.05)
    assert ended.wait(20)
    thread.join()


def test_nothing_is_changed_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(OSError, match="directory"), AuditFile(tmp_path).changing():
        raise AssertionError("the registry would be changed")
