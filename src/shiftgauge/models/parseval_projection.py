"""What keeps a network a Parseval network after a step of its optimiser: kernels of one shape at once, in place."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

import torch
from torch import nn

from shiftgauge.models.parseval import ParsevalOptions, constrained_layers, kernel_matrices
from shiftgauge.models.parseval_layers import ConvexAggregation, ScaledConv2d, project_simplex
from shiftgauge.models.parseval_retraction import retract_published, retraction_step
from shiftgauge.random import stream_key

_T = TypeVar("_T")


def parseval_projection(options: ParsevalOptions | None = None) -> Callable[[nn.Module], None]:
    """Builds what is called after every step of the optimiser, its decay included, to keep a Parseval network one.

    The callable takes the network and, in place and outside the autograd graph,

    1. retracts the kernels of its constrained layers, those of one shape in one product;
    2. puts the weights of each `ConvexAggregation` of the form `simplex` back on the simplex;
    3. carries on the power iteration of each convolution that is scaled by its measured norm.

    With a share of rows below 1, rows are drawn from the seed of the options, that of torch's own generator, and the
    number of calls since that was set. Where every step sets one, as `train` does, a training that goes on draws the
    rows that it would have drawn.

    Args:
        options: How; default one retraction of all rows of all convolutions with β = 0.001.

    Returns:
        The callable. One serves any number of networks.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
        >>> _ = nn.init.constant_(net[0].weight, 1.5)
        >>> parseval_projection(ParsevalOptions(beta=0.1))(net)
        >>> round(net[0].weight.item(), 4)
        1.3125

    References:
        Cisse, M.; Bojanowski, P.; Grave, E.; Dauphin, Y.; Usunier, N. (2017). Parseval Networks: Improving Robustness
        to Adversarial Examples. arXiv:1704.08847 (algorithm 1)
    """
    return _Projection(options or ParsevalOptions())


class _Projection:
    """The callable; remembers only how often it drew rows since torch's seed was set."""

    def __init__(self, options: ParsevalOptions) -> None:
        self.options = options
        self._torch_seed, self._calls = -1, 0

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> None:
        names = constrained_layers(network, self.options)
        matrices = [kernel_matrices(network.get_submodule(name)) for name in names]
        draws = self._generator() if self.options.row_share < 1 else None
        for alike in _grouped(matrices, lambda m: (*m.shape[1:], m.dtype, m.device)):
            self._retract([matrix for group in alike for matrix in group], draws)
        _project_aggregations(network)
        for module in network.modules():
            if isinstance(module, ScaledConv2d):
                module.refresh()

    def _retract(self, matrices: list[torch.Tensor], draws: torch.Generator | None) -> None:
        """Retracts matrices of one shape, or some rows of each."""
        chosen = None
        if draws is not None:
            count = max(1, round(self.options.row_share * len(matrices[0])))
            order = torch.rand(len(matrices), len(matrices[0]), generator=draws).argsort(dim=1)
            chosen = order[:, :count].to(matrices[0].device)
        parts = matrices if chosen is None else [m[rows] for m, rows in zip(matrices, chosen, strict=True)]
        current = torch.stack(parts).to(torch.promote_types(parts[0].dtype, torch.float32))
        if self.options.variant == "published":
            current = retract_published(current, self.options.beta, self.options.passes)
        else:
            for _ in range(self.options.passes):
                current = retraction_step(current, self.options.beta)
        for number, (matrix, new) in enumerate(zip(matrices, current, strict=True)):
            if chosen is None:
                matrix.copy_(new)
            else:
                matrix.index_copy_(0, chosen[number], new.to(matrix.dtype))

    def _generator(self) -> torch.Generator:
        torch_seed = torch.initial_seed()
        self._calls = self._calls + 1 if torch_seed == self._torch_seed else 0
        self._torch_seed = torch_seed
        key = stream_key(self.options.seed, "rows of the retraction", torch_seed, self._calls)
        return torch.Generator().manual_seed(key)


def _project_aggregations(network: nn.Module) -> None:
    layers = [m for m in network.modules() if isinstance(m, ConvexAggregation) and m.form == "simplex"]
    for alike in _grouped(layers, lambda layer: (layer.n, layer.lam.dtype, layer.lam.device)):
        projected = project_simplex(torch.stack([layer.lam for layer in alike]))
        for layer, weights in zip(alike, projected, strict=True):
            layer.lam.copy_(weights)


def _grouped(values: Iterable[_T], key: Callable[[_T], Hashable]) -> list[list[_T]]:
    """Values with the same key together, in the order in which the keys come."""
    found: dict[Hashable, list[_T]] = {}
    for value in values:
        found.setdefault(key(value), []).append(value)
    return list(found.values())
