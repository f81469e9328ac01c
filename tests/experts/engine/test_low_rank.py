"""Deltas of several projections at once add what each would add alone."""

import pytest
import torch

from experts.engine.low_rank import Delta, row_step

A, B = torch.randn(2, 6), torch.randn(4, 2)
INPUTS = torch.randn(3, 6)


@pytest.mark.parametrize("num_rows", [1, 16, 17, 48, 100])
def test_any_number_of_rows_gets_its_deltas(num_rows: int) -> None:
    inputs, output = torch.randn(num_rows, 6), torch.ones(num_rows, 4)
    delta = Delta.of([(A, B)], [4], 0.5, inputs)

    assert delta is not None
    delta.add_to(output, inputs)

    torch.testing.assert_close(output, 1 + 0.5 * inputs @ A.T @ B.T)


def test_many_numbers_of_rows_become_few() -> None:
    assert len({number + -number % row_step(number) for number in range(1, 513)}) <= 40


def test_projections_of_one_input_get_their_own_deltas() -> None:
    other = (torch.randn(5, 6), torch.randn(7, 5))
    delta = Delta.of([(A, B), None, other], [4, 3, 7], 0.5, INPUTS)
    output = torch.ones(3, 14)

    assert delta is not None
    delta.add_to(output, INPUTS)

    expected = [INPUTS @ A.T @ B.T, torch.zeros(3, 3), INPUTS @ other[0].T @ other[1].T]
    torch.testing.assert_close(output, 1 + 0.5 * torch.cat(expected, dim=1))


def test_projections_without_deltas_need_none() -> None:
    assert Delta.of([None, None], [4, 3], 1.0, INPUTS) is None
