"""Attention in the form that has a forward derivative."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

MISSING_DERIVATIVE = ("forward ad", "jvp", "forward mode")
"""Texts by which torch says that a layer has no forward derivative."""


@contextmanager
def forward_differentiable() -> Iterator[None]:
    """Runs attention as plain matrix products inside a block.

    The fused forms, and the fast path of torch's own encoder layers, have no forward derivative.

    Example:
        >>> with forward_differentiable():
        ...     torch.backends.mha.get_fastpath_enabled()
        False
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
