"""The retraction moves singular values as its polynomial says, by either Gram matrix, and iterates properly."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.parseval_retraction import retract, retract_published, retract_rows

SHAPES = [(4, 9), (9, 4), (5, 5), (1, 6), (6, 1)]


def drawn(shape, seed=0, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_singular_values(matrix, move):
    """The matrix with every singular value moved by itself."""
    u, s, vt = np.linalg.svd(matrix.numpy(), full_matrices=False)
    return u @ np.diag([move(value) for value in s]) @ vt


def iterated(beta, passes):
    def move(value):
        for _ in range(passes):
            value = (1 + beta) * value - beta * value**3
        return value

    return move


def published(beta, passes):
    def move(value):
        last = value
        for _ in range(passes):
            last = (1 + beta) * value - beta * value * last**2
        return last

    return move


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("passes", [1, 2, 10])
def test_singular_values_move_by_the_polynomial(shape, passes):
    matrix = drawn(shape, scale=0.3)
    assert np.allclose(retract(matrix, 0.1, passes), by_singular_values(matrix, iterated(0.1, passes)))
    assert np.allclose(retract_published(matrix, 0.1, passes), by_singular_values(matrix, published(0.1, passes)))


def test_the_stated_values_of_one_two_and_ten_passes():
    start = torch.tensor([[1.5]], dtype=torch.float64)
    assert retract(start, 0.1).item() == pytest.approx(1.3125, abs=1e-12)
    assert retract(start, 0.1, 2).item() == pytest.approx(1.21765, abs=5e-6)
    assert retract_published(start, 0.1, 2).item() == pytest.approx(1.39160, abs=5e-6)
    pair = torch.diag(torch.tensor([0.351, 1.668], dtype=torch.float64))
    assert retract(pair, 0.1, 10).diagonal().tolist() == pytest.approx([0.711, 1.029], abs=1e-3)
    assert retract_published(pair, 0.1, 10).diagonal().tolist() == pytest.approx([0.381, 1.473], abs=1e-3)


def test_one_pass_is_a_step_down_the_gradient_of_the_distance_from_tight():
    matrix = drawn((4, 7)).requires_grad_()
    (0.25 * (matrix @ matrix.T - torch.eye(4)).square().sum()).backward()
    assert torch.allclose(retract(matrix, 0.05), matrix.detach() - 0.05 * matrix.grad)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SHAPES), st.floats(0.01, 0.5), st.integers(0, 10**6))
def test_many_passes_make_a_tight_frame(shape, beta, seed):
    matrix = drawn(shape, seed)
    matrix = matrix / torch.linalg.matrix_norm(matrix, 2) * min(1.7, 0.9 * (1 + 1 / beta) ** 0.5)
    assert torch.linalg.matrix_norm(retract(matrix, beta, 2000), 2) == pytest.approx(1, abs=1e-6)


def test_a_stack_is_its_matrices_and_nothing_given_is_changed():
    stack = drawn((3, 4, 6)).requires_grad_()
    before = stack.detach().clone()
    found = retract(stack, 0.2, 3)
    assert torch.allclose(found, torch.stack([retract(m, 0.2, 3) for m in stack]))
    assert torch.equal(stack, before)
    assert not found.requires_grad


def test_a_singular_value_of_zero_stays():
    matrix = torch.outer(torch.ones(3), torch.ones(4)).double()
    assert torch.linalg.matrix_rank(retract(matrix, 0.01, 50)) == 1


def test_sampled_rows_are_retracted_as_a_matrix_of_their_own():
    matrix, rows = drawn((5, 8)), torch.tensor([4, 1])
    found = retract_rows(matrix, 0.1, rows, passes=2)
    assert torch.equal(found[[0, 2, 3]], matrix[[0, 2, 3]])
    assert np.allclose(found[rows], by_singular_values(matrix[rows], iterated(0.1, 2)))


def test_what_cannot_be_retracted_is_told():
    with pytest.raises(ConfigError, match=r"`beta` must be above 0, got 0; 0\.001 is customary"):
        retract(torch.eye(2), 0)
    with pytest.raises(ConfigError, match=r"`beta` must be in \[0, 0.5\], got 1"):
        retract(torch.eye(2), 1)
    with pytest.raises(ConfigError, match="`passes`"):
        retract_published(torch.eye(2), 0.1, 0)
    with pytest.raises(ModelError, match=r"a matrix \(r, c\) or a stack of them, got the shape \(2,\)"):
        retract(torch.ones(2), 0.1)
