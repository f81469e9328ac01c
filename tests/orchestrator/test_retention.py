"""Durations of the retention classes."""

import pytest
from pydantic import ValidationError

from orchestrator.errors import SettingsInvalidError
from orchestrator.retention import RetentionTimes, TraceLimits
from orchestrator.settings import read_settings

_DAY = 24 * 3600


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("90m", 5400), ("12h", 43200), ("30d", 30 * _DAY), ("2 w", 14 * _DAY), ("7", 7)]
)
def test_durations_are_written_with_their_unit(text: str, seconds: int) -> None:
    assert RetentionTimes.model_validate({"finished": text}).finished == seconds


@pytest.mark.parametrize("text", ["", "0d", "-1h", "soon", "1.5h", "1y"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        RetentionTimes.model_validate({"finished": text})


def test_the_classes_are_read_from_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCOE_RETENTION", '{"finished": "10d", "traces": "2d", "recent": "1h"}')
    monkeypatch.setenv("CCOE_RUN_TTL_SECONDS", "5")
    monkeypatch.setenv("CCOE_MAX_TRACE_ENTRIES", "100")
    settings = read_settings()
    assert settings.run_ttl_seconds == 10 * _DAY
    assert settings.retention.recent == 3600
    assert settings.trace_limits == TraceLimits(100, 2 * _DAY)


def test_without_it_the_older_setting_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().run_ttl_seconds == 30 * _DAY
    monkeypatch.setenv("CCOE_RUN_TTL_SECONDS", "5")
    assert read_settings().run_ttl_seconds == 5


@pytest.mark.parametrize("value", ['{"permanent": "1d"}', '{"traces": "soon"}', "30d"])
def test_a_mistake_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CCOE_RETENTION", value)
    with pytest.raises(SettingsInvalidError, match="CCOE_RETENTION cannot be used") as caught:
        read_settings()
    assert any(hint in caught.value.message for hint in ("the classes are finished", "12h", "JSON object"))
