"""Changes on disk without a service, and what the audit then says."""

from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.checkpoint import save_expert
from experts.errors import CheckpointError, NoEarlierVersion, UnknownExpert
from experts.registry import Registry
from orchestrator.audit_file import AuditFile
from orchestrator.expert_client import open_engine
from orchestrator.settings import Settings, read_settings
from orchestrator.stored_experts import StoredExperts
from tests.experts.conftest import low_rank_expert, make_backbone, save_model
from tests.experts.families import FAMILIES, byte_tokenizer, make_model


@pytest.fixture
def backbone() -> Backbone:
    return Backbone.split(make_model(FAMILIES[0]), byte_tokenizer())


@pytest.fixture
def settings(backbone: Backbone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    monkeypatch.setenv("CCOE_BACKBONE", str(save_model(backbone, tmp_path / "model")))
    return read_settings()


def audited(settings: Settings) -> list[tuple[str | None, str, str, str, str | None]]:
    changes = AuditFile(settings.experts_dir).newest(10)
    return [(change.by, change.action, change.name, change.version, change.previous) for change in changes]


async def test_every_change_is_audited(settings: Settings, backbone: Backbone, tmp_path: Path) -> None:
    stored = StoredExperts(settings)
    first, second = (
        save_expert(low_rank_expert(backbone, "tax", seed), tmp_path / f"tax-{seed}").version for seed in (1, 2)
    )
    for seed, version in ((1, first), (2, second)):
        assert await stored.push(tmp_path / f"tax-{seed}", open_engine) == ("tax", version)
    assert stored.rollback("tax", None) == first
    stored.pop("tax")

    assert audited(settings) == [
        ("local", "pop", "tax", first, first),
        ("local", "rollback", "tax", first, second),
        ("local", "push", "tax", second, first),
        ("local", "push", "tax", first, None),
    ]
    with pytest.raises(UnknownExpert):
        Registry(settings.experts_dir).get("tax")


async def test_what_was_refused_is_not_audited(settings: Settings, tmp_path: Path) -> None:
    stored = StoredExperts(settings)
    other = save_expert(low_rank_expert(make_backbone(FAMILIES[1]), "tax"), tmp_path / "other")
    assert other.name == "tax"
    with pytest.raises(CheckpointError):
        await stored.push(tmp_path / "other", open_engine)
    with pytest.raises(UnknownExpert):
        stored.pop("tax")
    with pytest.raises(UnknownExpert):
        stored.rollback("tax", "beef")
    assert audited(settings) == []


def test_where_there_is_no_earlier_version_nothing_is_audited(settings: Settings) -> None:
    with pytest.raises(NoEarlierVersion):
        StoredExperts(settings).rollback("math", None)
    assert audited(settings) == []
