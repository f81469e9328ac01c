"""Activations on disk: computed once, resumed where they stopped, damage noticed."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from experts.backbone import Backbone
from experts.errors import TrainingFileError
from experts.training.activation_store import ActivationStore
from experts.training.activations import EncodedRow, boundary_activations
from tests.experts.conftest import make_backbone

Count = Callable[[], int]


def some_rows(seed: int = 1) -> list[EncodedRow]:
    rng = random.Random(seed)
    return [EncodedRow(tuple(rng.randbytes(n)), 1) for n in (30, 3, 40, 17, 25, 9)]


class Forwards:
    """Counts how many rows the backbone computes."""

    def __init__(self, backbone: Backbone) -> None:
        self.num_rows = 0
        backbone.layers[0].register_forward_pre_hook(self._count)

    def _count(self, _: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.num_rows += len(inputs[0])


def read(store: ActivationStore, backbone: Backbone, rows: list[EncodedRow]) -> tuple[list[Tensor], list[int]]:
    told: list[int] = []
    return store.activations(backbone, rows, told.append, max_batch_tokens=64), told


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_a_second_reading_computes_nothing_and_is_the_same(tmp_path: Path) -> None:
    backbone, rows, store = make_backbone(), some_rows(), ActivationStore(tmp_path / "activations")
    forwards, num_tokens = Forwards(backbone), sum(row.num_tokens for row in rows)
    first, told = read(store, backbone, rows)
    assert (forwards.num_rows, sum(told)) == (len(rows), num_tokens)

    second, told = read(store, backbone, rows)
    assert (forwards.num_rows, told) == (len(rows), [num_tokens])
    assert same(first, second)
    assert same(first, boundary_activations(backbone, rows, lambda _: None, max_batch_tokens=64))


def test_the_bytes_are_those_of_the_models_own_type(tmp_path: Path) -> None:
    backbone, rows, store = make_backbone(), some_rows(), ActivationStore(tmp_path)
    backbone.model.to(torch.bfloat16)  # pyright: ignore[reportArgumentType]
    found, _ = read(store, backbone, rows)

    assert {tensor.dtype for tensor in found} == {torch.bfloat16}
    assert same(found, boundary_activations(backbone, rows, lambda _: None, max_batch_tokens=64))
    (data,) = tmp_path.glob("*/activations.bin")
    assert data.stat().st_size == 2 * 32 * sum(row.num_tokens for row in rows)


def test_what_was_interrupted_goes_on_where_it_stopped(tmp_path: Path) -> None:
    backbone, rows, store = make_backbone(), some_rows(), ActivationStore(tmp_path)

    def stop_after_two(count: int) -> None:
        told.append(count)
        if len(told) == 3:  # what was there already, and two batches
            raise KeyboardInterrupt

    told: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        store.activations(backbone, rows, stop_after_two, max_batch_tokens=64)
    (done,) = tmp_path.glob("*/done")
    kept = len([line for line in done.read_text().splitlines() if line])
    assert 0 < kept < len(rows)

    forwards = Forwards(backbone)
    found, later = read(store, backbone, rows)
    assert (forwards.num_rows, later[0]) == (len(rows) - kept, sum(told))
    assert same(found, boundary_activations(make_backbone(), rows, lambda _: None, max_batch_tokens=64))


def flip(data: Path, done: Path) -> None:
    content = bytearray(data.read_bytes())
    content[5] ^= 1
    data.write_bytes(content)


def cut(data: Path, done: Path) -> None:
    data.write_bytes(data.read_bytes()[:-1])


def tear(data: Path, done: Path) -> None:
    done.write_bytes(done.read_bytes()[:-3])


def garble(data: Path, done: Path) -> None:
    done.write_bytes(b"\xff 9 9\n-1 3\n99 1\n0 1\n")


@pytest.mark.parametrize("damage", [flip, cut, tear, garble])
def test_damage_is_noticed_and_made_good(damage: Callable[[Path, Path], None], tmp_path: Path) -> None:
    backbone, rows, store = make_backbone(), some_rows(), ActivationStore(tmp_path)
    before = [tensor.clone() for tensor in read(store, backbone, rows)[0]]
    ((data,), (done,)) = tmp_path.glob("*/activations.bin"), tmp_path.glob("*/done")
    damage(data, done)

    forwards = Forwards(backbone)
    assert same(read(store, backbone, rows)[0], before)
    assert forwards.num_rows > 0
    repaired = forwards.num_rows
    assert same(read(store, backbone, rows)[0], before)
    assert forwards.num_rows == repaired


def test_other_rows_and_another_backbone_have_files_of_their_own(tmp_path: Path) -> None:
    store, backbone, other = ActivationStore(tmp_path), make_backbone(), make_backbone()
    with torch.no_grad():
        next(other.layers[0].parameters()).add_(1)
    for each, rows in ((backbone, some_rows()), (backbone, some_rows(2)), (other, some_rows())):
        read(store, each, rows)
    assert len(list(tmp_path.glob("*/activations.bin"))) == 3


def test_clearing_gives_the_bytes_back(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path / "activations")
    assert (store.num_bytes, store.clear()) == (0, 0)
    found, _ = read(store, make_backbone(), some_rows())
    before = found[0].clone()

    assert store.num_bytes == store.clear() > 0
    assert not store.directory.exists()
    assert torch.equal(found[0], before)  # what is mapped stays readable


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingFileError, match=r"file/\w+': Not a directory; make room"):
        read(ActivationStore(tmp_path / "file"), make_backbone(), some_rows())
