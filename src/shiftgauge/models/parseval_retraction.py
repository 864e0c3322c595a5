r"""One step of a matrix towards a tight frame: towards singular values of 1.

$$ W \leftarrow (1 + \beta) W - \beta W W^\top W $$

is a step of size β down the gradient of ¼ ‖WᵀW − I‖². It moves every singular value by itself, σ → (1 + β) σ − β σ³,
keeps the singular vectors, and leaves a singular value of 0 where it is. For β ≤ ½ every other one below √(1 + 1/β)
goes to 1.
"""

from __future__ import annotations

import torch

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.errors import ConfigError, ModelError

MAX_BETA = 0.5
"""Largest step: at ½ the retraction is one of Newton and Schulz."""


def retract(matrix: torch.Tensor, beta: float, passes: int = 1) -> torch.Tensor:
    """Retracts a matrix, or several of one shape; each pass acts on what the last one gave.

    The product goes by the smaller Gram matrix: (WWᵀ)W where there are fewer rows, W(WᵀW) where there are fewer
    columns.

    Args:
        matrix: W (r, c) or (b, r, c); it is not changed.
        beta: β, in (0, 0.5].
        passes: ≥ 1.

    Returns:
        The retracted matrices, of the same shape; outside the autograd graph.

    Raises:
        ConfigError: β or passes outside their range.
        ModelError: Not a matrix.

    Example:
        >>> w = torch.tensor([[1.5]])
        >>> round(retract(w, 0.1).item(), 4), round(retract(w, 0.1, passes=2).item(), 5)
        (1.3125, 1.21765)

    References:
        Cisse, M. et al. (2017). Parseval Networks. arXiv:1704.08847 (equation 12)
    """
    current = _checked(matrix, beta, passes)
    with torch.no_grad():
        for _ in range(passes):
            current = retraction_step(current, beta)
    return current.reshape(matrix.shape)


def retract_published(matrix: torch.Tensor, beta: float, passes: int = 1) -> torch.Tensor:
    r"""Retracts as the published code of the eye-state study does: each pass starts from the first matrix again.

    $$ W_t = (1 + \beta) W_0 - \beta W_0 W_{t-1}^\top W_{t-1} $$

    For one pass this is `retract`. More passes are no iteration: 1.5 with β = 0.1 becomes 1.392 after two, further from
    1 than after one. For comparison only.

    Args:
        matrix: W₀ (r, c) or (b, r, c); it is not changed.
        beta: β, in (0, 0.5].
        passes: ≥ 1.

    Returns:
        The matrices after the last pass, of the same shape; outside the autograd graph.

    Raises:
        ConfigError: β or passes outside their range.
        ModelError: Not a matrix.

    Example:
        >>> round(retract_published(torch.tensor([[1.5]]), 0.1, passes=2).item(), 5)
        1.3916
    """
    first = _checked(matrix, beta, passes)
    last = first
    with torch.no_grad():
        for _ in range(passes):
            gram = last.mT @ last
            last = torch.baddbmm(first, first, gram, beta=1 + beta, alpha=-beta)
    return last.reshape(matrix.shape)


def retract_rows(matrix: torch.Tensor, beta: float, rows: torch.Tensor, passes: int = 1) -> torch.Tensor:
    """Retracts some rows of a matrix as a matrix of their own, and leaves the others.

    With S the rows, W_S ← (1 + β) W_S − β W_S W_Sᵀ W_S: a step of the sampled retraction, whose cost falls with the
    square of the share of rows.

    Args:
        matrix: W (r, c); it is not changed.
        beta: β, in (0, 0.5].
        rows: Numbers of the rows, each once.
        passes: ≥ 1, all on the same rows.

    Returns:
        The matrix with these rows retracted; outside the autograd graph.

    Raises:
        ConfigError: β or passes outside their range.
        ModelError: Not a matrix.

    Example:
        >>> [round(v, 4) for v in retract_rows(torch.full((2, 1), 1.5), 0.1, torch.tensor([1])).flatten().tolist()]
        [1.5, 1.3125]

    References:
        Cisse, M. et al. (2017). Parseval Networks. arXiv:1704.08847 (algorithm 1)
    """
    _checked(matrix, beta, passes)
    with torch.no_grad():
        return matrix.detach().index_copy(0, rows, retract(matrix[rows], beta, passes))


def retraction_step(matrices: torch.Tensor, beta: float) -> torch.Tensor:
    """One pass over a stack (b, r, c), by the smaller Gram matrix; nothing is checked."""
    if matrices.shape[1] <= matrices.shape[2]:
        return torch.baddbmm(matrices, torch.bmm(matrices, matrices.mT), matrices, beta=1 + beta, alpha=-beta)
    return torch.baddbmm(matrices, matrices, torch.bmm(matrices.mT, matrices), beta=1 + beta, alpha=-beta)


def _checked(matrix: torch.Tensor, beta: float, passes: int) -> torch.Tensor:
    """The matrices as a stack (b, r, c) without gradients."""
    if require_range("beta", beta, 0, MAX_BETA) == 0:
        raise ConfigError("`beta` must be above 0, got 0; 0.001 is customary")
    require_positive_int("passes", passes)
    if matrix.ndim not in (2, 3):
        raise ModelError(f"a retraction takes a matrix (r, c) or a stack of them, got the shape {tuple(matrix.shape)}")
    found = matrix.detach()
    return found[None] if found.ndim == 2 else found
