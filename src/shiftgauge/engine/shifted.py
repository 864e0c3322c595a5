"""Convolution by shifting and multiplying: matrix products on the images where they lie, without a copy of the windows.

With the images as a list of pixels (`windows.py`), a window of k × k meets k runs of k pixels, and a run is k·C numbers
in a row. So the list, cut into pieces of k pixels from some pixel on, is a matrix whose rows are what the i-th rows of
every k-th window meet: X_if for the windows f, f + k, f + 2k, …. With W_i (k·C, C') the i-th row of the weights, and
y_f the outputs f, f + k, f + 2k, …:

    y_f = b + Σ_i X_if W_i        ∂L/∂W_i = Σ_f X_ifᵀ g_f        ∂L/∂X_if += g_f W_iᵀ

These are k² products, of k rows i with k shifts f, each of which adds to what is there. The usual way copies every
window into a row of k²·C numbers first: nine times the images for k = 3, which leaves the cache.

Three cases are a little different:

- With few channels such products are too thin. The list is then folded: each pixel takes the k pixels below it in its
  column as further channels, so that a window is a single run, of k²·C numbers. That copies the images k times, not k².
- With groups the numbers of one group do not lie in a row, so a run is one pixel.
- With a stride the runs that are met are copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from shiftgauge.engine.windows import Windows
from shiftgauge.engine.workspace import Workspace

_BLOCK = 16384
"""About how many outputs are added up at a time, so that they stay in the cache for all products."""
_FEW_CHANNELS = 4
"""Up to so many channels the list of pixels is folded: measured with windows of 3 and 5, 16 and 32 outputs."""


class _Product(NamedTuple):
    """Which weights meet which pixels for which outputs: row i of the windows, columns j to j + run."""

    i: int
    j: int
    run: int
    outputs: slice

    def weights(self, weight: Tensor) -> Tensor:
        """W_i, (run · C / groups, C'), of weights (rows, columns, C / groups, C')."""
        return weight[self.i, self.j : self.j + self.run].view(-1, weight.shape[3])

    def pixels(self, pixels: Tensor, at: Windows) -> Tensor:
        """X_if, (outputs, run · C): the pixels themselves, seen as a matrix; stride 1."""
        first = at.offset(self.i, self.j) + self.outputs.start
        count = len(range(self.outputs.start, self.outputs.stop, self.run))
        return pixels[first : first + count * self.run].view(count, -1)


def forward(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, at: Windows, ws: Workspace) -> Tensor:
    """Images (N, H, W, C) and weights (k, k, C / groups, C') → outputs of all windows, (n_outputs, C')."""
    pixels = ws.buffer("pixels", (at.n_pixels, x.shape[3]), like=x, zeroed=True)
    at.interior(pixels).copy_(x)
    folded = ws.kept["folded"] = x.shape[3] <= _FEW_CHANNELS and groups == at.stride == 1
    met = ws.kept["met"] = _fold(pixels, at, ws) if folded else pixels
    if folded:
        weight = _fold_weight(weight)
    outputs = ws.buffer("outputs", (at.n_outputs, weight.shape[3]), like=x)
    if bias is None:
        outputs.zero_()
    else:
        outputs.copy_(bias.expand_as(outputs))
    for one in _products(at, groups, folded):
        _add_product(outputs[one.outputs], _met(met, at, one, ws), one.weights(weight), groups)
    return outputs


def add_weight_gradient(grad: Tensor, weight_grad: Tensor, groups: int, at: Windows, ws: Workspace) -> None:
    """Adds ∂L/∂W (k, k, C / groups, C'), from ∂L/∂outputs (n_outputs, C') that is 0 beside the map."""
    folded = ws.kept["folded"]
    total = torch.zeros_like(_fold_weight(weight_grad)) if folded else weight_grad
    for one in _products(at, groups, folded):
        _add_weight_product(one.weights(total), _met(ws.kept["met"], at, one, ws), grad[one.outputs], groups)
    if folded:
        k = at.kernel
        weight_grad.add_(total.view(k, k, -1, total.shape[3]).transpose(0, 1))


def input_gradient(grad: Tensor, weight: Tensor, groups: int, at: Windows, ws: Workspace) -> Tensor:
    """∂L/∂x (N, H, W, C), from ∂L/∂outputs (n_outputs, C') that is 0 beside the map."""
    channels, folded = weight.shape[2] * groups, ws.kept["folded"]
    pixels = ws.buffer("pixels' gradient", (at.n_pixels, channels), like=grad).zero_()
    met = ws.buffer("folded gradient", tuple(ws.kept["met"].shape), like=grad).zero_() if folded else pixels
    if folded:
        weight = _fold_weight(weight)
    for one in _products(at, groups, folded):
        if at.stride == 1:
            _add_input_product(one.pixels(met, at), grad[one.outputs], one.weights(weight), groups)
            continue
        share = ws.buffer("run", (len(grad), one.run * channels), like=grad).zero_()
        _add_input_product(share, grad, one.weights(weight), groups)
        for column, part in enumerate(share.split(channels, dim=1), start=one.j):
            at.runs(pixels, one.i, column, 1).add_(part.view(*at.map(grad).shape[:3], channels))
    if folded:
        for place, part in _folds(pixels, met, at):
            place.add_(part)
    return at.interior(pixels)


def _products(at: Windows, groups: int, folded: bool) -> Iterator[_Product]:
    """All products of one block of outputs, then those of the next."""
    run = at.kernel if groups == 1 else 1
    for outputs in _outputs(at, run):
        for i in range(1 if folded else at.kernel):
            for j in range(0, at.kernel, run):
                yield _Product(i, j, run, outputs)


def _outputs(at: Windows, run: int) -> Iterator[slice]:
    """Every run-th output of a block, for each shift; with a stride all outputs at once."""
    if at.stride > 1:
        yield slice(0, at.n_outputs, 1)
        return
    blocks = max(1, round(at.n_outputs / _BLOCK))
    edges = [at.n_outputs * k // blocks for k in range(blocks + 1)]
    for start, stop in pairwise(edges):
        for first in range(start, min(start + run, stop)):
            yield slice(first, stop, run)


def _fold(pixels: Tensor, at: Windows, ws: Workspace) -> Tensor:
    """The pixels that all windows begin at, each with the k pixels of its column: (n_outputs + k − 1, k · C)."""
    shape = (at.n_outputs + at.kernel - 1, at.kernel * pixels.shape[1])
    folded = ws.buffer("folded", shape, like=pixels)
    for place, part in _folds(pixels, folded, at):
        part.copy_(place)
    return folded


def _folds(pixels: Tensor, folded: Tensor, at: Windows) -> Iterator[tuple[Tensor, Tensor]]:
    """For each row of the windows the pixels that it meets, and where they are in the folded list."""
    for i, part in enumerate(folded.split(pixels.shape[1], dim=1)):
        yield pixels[at.offset(i, 0) : at.offset(i, 0) + len(folded)], part


def _fold_weight(weight: Tensor) -> Tensor:
    """(k rows, k columns, C, C') → (1, k columns, k rows · C, C')."""
    k, _, channels, outputs = weight.shape
    return weight.transpose(0, 1).reshape(1, k, k * channels, outputs).contiguous()


def _met(pixels: Tensor, at: Windows, one: _Product, ws: Workspace) -> Tensor:
    """X of a product, (outputs, run · C): a view, or with a stride a copy."""
    if at.stride == 1:
        return one.pixels(pixels, at)
    runs = at.runs(pixels, one.i, one.j, one.run)
    return ws.buffer("run", tuple(runs.shape), like=pixels).copy_(runs).view(at.n_outputs, -1)


def _add_product(out: Tensor, x: Tensor, w: Tensor, groups: int) -> None:
    """out += x w, each group of columns of x with its own group of columns of w (C / groups, C')."""
    if groups == 1:
        out.addmm_(x, w)
    elif groups == x.shape[1] == w.shape[1]:
        out.addcmul_(x, w)
    else:
        for ins, outs in _groups(x, w, groups):
            out[:, outs].addmm_(x[:, ins], w[:, outs])


def _add_weight_product(w_grad: Tensor, x: Tensor, grad: Tensor, groups: int) -> None:
    """w_grad += xᵀ grad, group by group."""
    if groups == 1:
        w_grad.addmm_(x.t(), grad)
    elif groups == x.shape[1] == grad.shape[1]:
        w_grad.add_((x * grad).sum(0))
    else:
        for ins, outs in _groups(x, w_grad, groups):
            w_grad[:, outs].addmm_(x[:, ins].t(), grad[:, outs])


def _add_input_product(x_grad: Tensor, grad: Tensor, w: Tensor, groups: int) -> None:
    """x_grad += grad wᵀ, group by group."""
    if groups == 1:
        x_grad.addmm_(grad, w.t())
    elif groups == x_grad.shape[1] == w.shape[1]:
        x_grad.addcmul_(grad, w)
    else:
        for ins, outs in _groups(x_grad, w, groups):
            x_grad[:, ins].addmm_(grad[:, outs], w[:, outs].t())


def _groups(x: Tensor, w: Tensor, groups: int) -> Iterator[tuple[slice, slice]]:
    """Columns of the input and of the output of each group."""
    n_in, n_out = x.shape[1] // groups, w.shape[1] // groups
    for g in range(groups):
        yield slice(g * n_in, (g + 1) * n_in), slice(g * n_out, (g + 1) * n_out)
