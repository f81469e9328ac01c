"""Signatures that others verify, and secrets that nobody sees."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from orchestrator.errors import RunRefusedError
from orchestrator.webhook import REVEALED, Webhook, WebhookRetry, new_secret, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps({"type": "run_finished", "data": {"answer": "48 Straße"}}, ensure_ascii=False)


def test_the_reference_library_verifies_a_signature() -> None:
    headers = signed_headers(SecretStr(SECRET), "01a2-run_finished-1-run", datetime.now(UTC), BODY)
    assert Verifier(SECRET).verify(BODY, headers) == json.loads(BODY)
    for changed in (BODY.replace("48", "49"), BODY + " "):
        with pytest.raises(WebhookVerificationError):
            Verifier(SECRET).verify(changed, headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(new_secret()).verify(BODY, headers)


def test_a_signature_by_hand() -> None:
    """HMAC-SHA256 over id, seconds and body."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    headers = signed_headers(SecretStr(SECRET), "id", at, BODY)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, f"id.1767225600.{BODY}".encode(), hashlib.sha256).digest()
    assert headers == {
        "webhook-id": "id",
        "webhook-timestamp": "1767225600",
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def test_new_secrets_can_be_used_and_differ() -> None:
    secrets = {new_secret() for _ in range(5)}
    assert len(secrets) == 5
    for secret in secrets:
        Webhook(url="https://example.org/", secret=SecretStr(secret))


def test_only_redis_sees_a_secret() -> None:
    webhook = Webhook(url="https://example.org/", secret=SecretStr(SECRET))
    shown = [webhook.model_dump_json(), str(webhook.model_dump(mode="json")), repr(webhook), str(webhook.model_dump())]
    assert [text for text in shown if SECRET in text] == []
    assert webhook.model_dump(mode="json")["secret"] == "**********"
    assert Webhook.model_validate_json(webhook.model_dump_json(context=REVEALED)) == webhook


@pytest.mark.parametrize(
    "secret", ["", "x", "whsec_", "whsec_c2hvcnQ=", "whsec_" + "A" * 100, "whsec_%%%", "**********"]
)
def test_a_secret_that_cannot_sign_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Webhook.model_validate({"url": "https://example.org/", "secret": secret})
    assert "base64 of 24 to 64 bytes" in str(refused.value)
    assert not secret or f"'{secret}'" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org/", "http://", "https://ann:key@example.org/", "http://a b/", "x" * 3000],
)
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Webhook(url=url)


@pytest.mark.parametrize("events", [[], ["run_begun"]])
def test_events_are_known(events: list[str]) -> None:
    with pytest.raises(ValidationError):
        Webhook.model_validate({"url": "https://example.org/", "events": events})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:80/", "http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/"]
)
def test_an_address_that_is_not_public_is_refused_unless_it_is_allowed(url: str) -> None:
    webhook = Webhook(url=url)
    with pytest.raises(RunRefusedError, match="is not public"):
        webhook.check(has_default_secret=True, allows_private=False)
    webhook.check(has_default_secret=True, allows_private=True)


def test_something_has_to_sign() -> None:
    webhook = Webhook(url="https://example.org/")
    with pytest.raises(RunRefusedError, match="has no secret"):
        webhook.check(has_default_secret=False, allows_private=False)
    webhook.check(has_default_secret=True, allows_private=False)


def test_attempts_reach_over_hours_and_are_bounded() -> None:
    retry = WebhookRetry()
    waits = [retry.delay(attempt, chance=0.0) for attempt in range(1, retry.max_attempts)]
    assert waits == [5, 20, 80, 320, 1280, 5120, 20480, 21600, 21600]
    assert 10 < sum(retry.delay(attempt, chance=0.5) for attempt in range(1, retry.max_attempts)) / 3600 < 20
    with pytest.raises(ValidationError):
        WebhookRetry(max_attempts=1000)
