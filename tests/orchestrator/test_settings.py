"""Settings are read once, from CCOE_ variables; a wrong value names its variable."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from graphs.budget import Budget
from graphs.limits import Limits
from graphs.policies import StepPolicy
from orchestrator.errors import SettingsInvalidError
from orchestrator.settings import Settings, read_settings
from orchestrator.webhook import new_secret


def test_directories_follow_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CCOE_DATA_DIR")
    monkeypatch.delenv("CCOE_CACHE_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    settings = read_settings()
    assert settings.data_dir == tmp_path / "share" / "ccoe"
    assert settings.cache_dir == Path.home() / ".cache" / "ccoe"


def test_databases_are_a_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCOE_DATABASES", '{"shop": "/data/shop.sqlite"}')
    settings = read_settings()
    assert settings.databases == {"shop": Path("/data/shop.sqlite")}
    assert settings.default_database == "shop"


def test_limits_and_policy_are_json_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCOE_LIMITS", '{"seconds": 60}')
    monkeypatch.setenv("CCOE_STEP_POLICY", '{"timeout": 5, "on_failure": "general"}')
    settings = read_settings()
    assert settings.limits == Budget(seconds=60)
    assert settings.step_policy == StepPolicy(timeout=5, on_failure="general")


@pytest.mark.parametrize("value", ["true", "false"])
def test_speculation_is_a_switch(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().speculate is Limits().speculate
    monkeypatch.setenv("CCOE_SPECULATE", value)
    assert read_settings().speculate is (value == "true")


def test_the_cache_of_steps_is_off_until_it_has_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().step_cache_seconds == 0
    monkeypatch.setenv("CCOE_STEP_CACHE_SECONDS", "3600")
    assert read_settings().step_cache_seconds == 3600


def test_of_several_databases_the_first_is_asked_or_the_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCOE_DATABASES", '{"shop": "a", "ward": "b"}')
    assert read_settings().default_database == "shop"
    assert read_settings(database="ward").default_database == "ward"


def test_a_remote_planner_needs_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCOE_PLANNER_URL", "http://127.0.0.1:8000/v1")
    with pytest.raises(SettingsInvalidError, match="CCOE_PLANNER_MODEL"):
        read_settings()


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("CCOE_PORT", "http", "integer"),
        ("CCOE_PORT", "70000", "65535"),
        ("CCOE_DATABASES", "shop=/data/shop.sqlite", "JSON object"),
        ("CCOE_DATABASES", "[1]", "dictionary"),
        ("CCOE_LIMITS", "60", "dictionary"),
        ("CCOE_LIMITS", "60 seconds", '{"seconds": 60'),
        ("CCOE_STEP_POLICY", '{"on_failure": "default"}', "give both or neither"),
        ("CCOE_MAX_CONCURRENT_RUNS", "0", "greater"),
        ("CCOE_TENANT", "a:b", "pattern"),
        ("CCOE_DATABASE", "shop", "CCOE_DATABASES"),
        ("REDIS_URL", "localhost:6379", "redis://"),
        ("CCOE_REQUIRE_KEY", "sometimes", "'all', 'experts' or 'none'"),
        ("CCOE_API_KEY", "sk-123", "ccoe keys create"),
        ("CCOE_WEBHOOK_URL", "example.org", "http or https"),
        ("CCOE_WEBHOOK_SECRET", "whsec_short", "ccoe webhooks secret"),
        ("CCOE_WEBHOOK_RETRY", '{"max_attempts": 100}', "20"),
        ("CCOE_WEBHOOK_RETRY", "10", "dictionary"),
        ("CCOE_PLANNER_KEY", "sk-\n1", "one line of ASCII"),
        ("CCOE_PLANNER_URL", "127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("CCOE_PLANNER_URL", "https://ann:secret@example.org/v1", "CCOE_PLANNER_KEY"),
    ],
)
def test_a_wrong_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalidError) as caught:
        read_settings()
    assert caught.value.variable == variable
    assert reason in caught.value.message
    assert "\n" not in caught.value.message


def test_a_key_is_not_shown_and_an_empty_one_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(api_key="").api_key is None
    monkeypatch.setenv("CCOE_API_KEY", f"ccoe_ann_{'0' * 64}")
    assert read_settings().api_key is not None
    assert "ccoe_ann" not in repr(read_settings())


def test_a_webhook_of_the_service_needs_a_secret_which_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCOE_WEBHOOK_URL", "")
    monkeypatch.setenv("CCOE_WEBHOOK_SECRET", "")
    assert (read_settings().webhook, read_settings().webhook_secret) == (None, None)
    monkeypatch.setenv("CCOE_WEBHOOK_URL", "https://example.org/hook")
    with pytest.raises(SettingsInvalidError) as refused:
        read_settings()
    assert refused.value.variable == "CCOE_WEBHOOK_SECRET"
    secret = new_secret()
    monkeypatch.setenv("CCOE_WEBHOOK_SECRET", secret)
    settings = read_settings()
    assert settings.webhook is not None and settings.webhook.url == "https://example.org/hook"
    assert secret not in repr(settings)


def test_an_empty_redis_url_means_the_embedded_valkey(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    assert read_settings().redis_url is None


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@localhost")
    assert "hunter2" not in repr(read_settings())


def test_settings_do_not_change(settings: Settings) -> None:
    with pytest.raises(ValidationError):
        settings.port = 1  # pyright: ignore[reportAttributeAccessIssue]
