"""Where a backbone comes from, and what is said when it cannot be had."""

import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from experts.config import BackboneConfig
from experts.errors import BackboneError
from experts.source import PACKAGE, PACKAGE_SHA256, embedded_directory, load_backbone, resolve_dtype


def test_a_local_directory_is_loaded_and_split(model_directory: Path) -> None:
    backbone = load_backbone(BackboneConfig(str(model_directory), 1, "float32"))

    assert (backbone.num_shared_layers, backbone.num_layers) == (1, 4)
    assert backbone.model.dtype == torch.float32
    assert backbone.tokenizer.decode(backbone.tokenizer.encode("text")) == "text"


def test_a_backbone_is_known_by_its_name_on_the_hub(model_directory: Path, tmp_path: Path) -> None:
    """Not by the directory that it happens to lie in."""
    shutil.copytree(model_directory, tmp_path / f"smollm2-135m-instruct-{PACKAGE_SHA256[:12]}")
    names = [
        load_backbone(BackboneConfig(source, 1, "float32", cache_dir=tmp_path)).hub_name
        for source in ("embedded", str(model_directory))
    ]
    assert names == ["HuggingFaceTB/SmolLM2-135M-Instruct", ""]


@pytest.mark.parametrize("content", [None, "{", '{"model_type": "no such family"}'])
def test_a_directory_that_is_no_model_is_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(BackboneError, match="name a directory or a hub model"):
        load_backbone(BackboneConfig(str(tmp_path)))


def test_the_dtype_follows_the_processor_unless_named() -> None:
    assert resolve_dtype("float32") == torch.float32
    assert resolve_dtype("bfloat16") == torch.bfloat16
    assert resolve_dtype("auto") in (torch.float32, torch.bfloat16)


def test_without_a_registry_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(BackboneError, match="set CCOE_BACKBONE to a local model directory"):
        embedded_directory(tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_another_file_under_the_packages_name_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, version = PACKAGE.split("==")
    stem = name.replace("-", "_")
    metadata = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(tmp_path / f"{stem}-{version}-py3-none-any.whl", "w") as wheel:
        for file, text in metadata.items():
            wheel.writestr(f"{stem}-{version}.dist-info/{file}", text)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(BackboneError, match="SHA-256"):
        embedded_directory(tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []
