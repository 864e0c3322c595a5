"""How a change that is confined to a window passes through each kind of layer."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import fx, nn
from torch.nn import functional

from shiftgauge.explain.window_change import (
    Carried,
    Change,
    Found,
    Rest,
    Rule,
    Way,
    boxed,
    joined,
    part_of,
    reached,
    read,
    whole,
)
from shiftgauge.explain.window_members import run_node, split_of, through_member, through_split, through_whole
from shiftgauge.explain.window_products import Matrices, changed_channels, is_smaller_as_matrix
from shiftgauge.models.capture import Tap

_POINTWISE_MODULES: Final = (
    *(nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.Hardsigmoid, nn.Softplus, nn.Softsign, nn.PReLU),
)
_POINTWISE_NAMES: Final = ("BatchNormAct2d",)
_IDENTITIES: Final = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.AlphaDropout, Tap)
_RELUS: Final = (torch.relu, torch.relu_, functional.relu, "relu", "relu_")
_POINTWISE_CALLS: Final = (
    *(functional.gelu, functional.silu, functional.elu, functional.leaky_relu, functional.hardswish, functional.mish),
    *(functional.relu6, functional.hardtanh, functional.softplus, torch.sigmoid, torch.tanh, "sigmoid", "tanh"),
)
_ADDITIONS: Final = (operator.add, operator.iadd, torch.add, "add", "add_")


def find_rule(node: fx.Node, modules: Mapping[str, nn.Module]) -> Rule:
    """Returns how a change passes through a node of a traced network; whole values for all that is not known."""
    if node.op == "call_module":
        return _module_rule(node, modules[str(node.target)], modules)
    if node.op not in ("call_function", "call_method"):
        return through_whole(node)
    if _one_of(node.target, _ADDITIONS) and len(node.args) == 2 and not node.kwargs:
        return _addition(node)
    if _one_of(node.target, _RELUS):
        return _relu(node, _fresh(node, modules))
    if _one_of(node.target, _POINTWISE_CALLS):
        return _pointwise(node)
    if node.target is torch.cat:
        return _concatenation(node)
    if node.target is operator.getitem:
        return through_member(node)
    if split_of(node) is not None:
        return through_split(node)
    return through_whole(node)


def _module_rule(node: fx.Node, module: nn.Module, modules: Mapping[str, nn.Module]) -> Rule:
    if len(node.args) != 1 or node.kwargs:
        return through_whole(node)
    if type(module) in _IDENTITIES:
        return lambda traced, rest, found, way: found[_source(node)]
    if type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        return _convolution(node, module)
    if type(module) is nn.BatchNorm2d and module.running_var is not None:
        return _normalisation(node, module)
    if type(module) is nn.ReLU:
        return _relu(node, _fresh(node, modules))
    if type(module) in _POINTWISE_MODULES or type(module).__name__ in _POINTWISE_NAMES:
        return _pointwise(node)
    if type(module) is nn.MaxPool2d and not module.ceil_mode and not module.return_indices:
        return _pooling(node, module)
    if type(module) is nn.AvgPool2d and not (module.ceil_mode or any(_pair(module.padding)) or module.divisor_override):
        return _pooling(node, module)
    if type(module) is nn.Linear:
        return _linear(node, module)
    return through_whole(node)


def _convolution(node: fx.Node, module: nn.Conv2d) -> Rule:
    kernel, stride, dilation = _pair(module.kernel_size), _pair(module.stride), _pair(module.dilation)
    padding, matrices = _pair(module.padding), Matrices(module)

    def rule(traced: fx.GraphModule, rest: Rest, found: Found, way: Way) -> Carried:
        change = found[_source(node)]
        if not isinstance(change, Change) or change.values.ndim != 4:
            return through_whole(node)(traced, rest, found, way)
        boxes, reads = reached(change, rest[node], kernel, stride, padding, dilation)
        edges = [(s - r[0], r[1] - e) for r, (s, e) in zip(reads, (change.span(0), change.span(1)), strict=True)]
        corner = (boxes[0][0], boxes[1][0])
        size = (boxes[0][1] - corner[0], boxes[1][1] - corner[1])
        before = (edges[0][0], edges[1][0])
        if is_smaller_as_matrix(module, tuple(change.values.shape[2:]), size):
            return Change(matrices.multiplied(change.values, before, size), corner)
        values, weight, around = change.values, module.weight, before
        if module.groups == 1:
            values, weight = changed_channels(values, weight)
        if any(low != high or low < 0 for low, high in edges):
            values, around = boxed(Change(values, change.corner), reads[0], reads[1]), (0, 0)
        out = functional.conv2d(values, weight, None, stride, around, dilation, module.groups)
        return Change(out, corner)

    return rule


def _normalisation(node: fx.Node, module: nn.BatchNorm2d) -> Rule:
    """Batch normalisation at rest scales each channel."""

    def rule(traced: fx.GraphModule, rest: Rest, found: Found, way: Way) -> Carried:
        change = found[_source(node)]
        if not isinstance(change, Change) or module.running_var is None:
            return through_whole(node)(traced, rest, found, way)
        scale = (module.running_var + module.eps).rsqrt()
        scale = scale if module.weight is None else scale * module.weight
        return Change(change.values * scale[:, None, None], change.corner)

    return rule


def _pooling(node: fx.Node, module: nn.MaxPool2d | nn.AvgPool2d) -> Rule:
    kernel, stride, padding = _pair(module.kernel_size), _pair(module.stride), _pair(module.padding)
    is_max = isinstance(module, nn.MaxPool2d)
    dilation = _pair(module.dilation) if isinstance(module, nn.MaxPool2d) else (1, 1)

    def rule(traced: fx.GraphModule, rest: Rest, found: Found, way: Way) -> Carried:
        change = found[_source(node)]
        if not isinstance(change, Change) or change.values.ndim != 4:
            return through_whole(node)(traced, rest, found, way)
        boxes, reads = reached(change, rest[node], kernel, stride, padding, dilation)
        delta = boxed(change, reads[0], reads[1])
        corner = (boxes[0][0], boxes[1][0])
        if not is_max:
            return Change(functional.avg_pool2d(delta, kernel, stride), corner)
        before = read(rest[_source(node)], reads[0], reads[1], -torch.inf)
        given = rest[node][..., slice(*boxes[0]), slice(*boxes[1])]

        def pooled(values: torch.Tensor) -> torch.Tensor:
            return functional.max_pool2d(values, kernel, stride, 0, dilation)

        return Change(way.through(pooled, [before], [delta], given), corner)

    return rule


def _relu(node: fx.Node, owned: bool) -> Rule:
    def rule(traced: fx.GraphModule, rest: Rest, found: Found, way: Way) -> Carried:
        change = found[_source(node)]
        if not isinstance(change, Change):
            return through_whole(node)(traced, rest, found, way)
        before = part_of(rest[_source(node)], change)
        return Change(way.through_relu(before, change.values, owned=owned), change.corner)

    return rule


def _pointwise(node: fx.Node) -> Rule:
    def rule(traced: fx.GraphModule, rest: Rest, found: Found, way: Way) -> Carried:
        source = _source(node)
        change = found[source]
        if not isinstance(change, Change) or any(n is not source for n in node.all_input_nodes):
            return through_whole(node)(traced, rest, found, way)
        before, given = part_of(rest[source], change), part_of(rest[node], change)
        out = way.through(lambda v: run_node(node, traced, lambda n: v), [before], [change.values], given)
        return Change(out, change.corner)

    return rule


def _linear(node: fx.Node, module: nn.Linear) -> Rule:
    def rule(traced: fx.GraphModule, rest: Rest, found: Found, way: Way) -> Carried:
        change = found[_source(node)]
        if not isinstance(change, Change):
            return through_whole(node)(traced, rest, found, way)
        return Change(functional.linear(whole(change, rest[_source(node)]), module.weight))

    return rule


def _addition(node: fx.Node) -> Rule:
    def rule(traced: fx.GraphModule, rest: Rest, found: Found, way: Way) -> Carried:
        terms = [found[n] for n in node.args if isinstance(n, fx.Node) and n in found]
        changes = [term for term in terms if isinstance(term, Change)]
        sources = [n for n in node.args if isinstance(n, fx.Node) and n in found]
        if len(changes) != len(terms) or any(rest[n].shape != rest[node].shape for n in sources):
            return through_whole(node)(traced, rest, found, way)
        if len(changes) == 1:
            return changes[0]
        return joined(changes, rest[node], lambda values: values[0] + values[1])

    return rule


def _concatenation(node: fx.Node) -> Rule:
    def rule(traced: fx.GraphModule, rest: Rest, found: Found, way: Way) -> Carried:
        parts: Any = node.args[0]
        axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        changes = [found.get(n) for n in parts] if isinstance(parts, (tuple, list)) else [None]
        known = [change for change in changes if isinstance(change, Change)]
        if axis != 1 or len(known) != len(changes) or rest[node].ndim != 4:
            return through_whole(node)(traced, rest, found, way)
        return joined(known, rest[node], lambda values: torch.cat(values, dim=1))

    return rule


def _source(node: fx.Node) -> fx.Node:
    return node.all_input_nodes[0]


def _fresh(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """Tells whether the change that a node gets was made for it alone."""
    source = _source(node)
    while len(source.users) == 1 and source.op == "call_module":
        part = modules[str(source.target)]
        if type(part) in (nn.Conv2d, nn.Linear, nn.BatchNorm2d):
            return True
        if type(part) not in _IDENTITIES:
            return False
        source = _source(source)
    return False


def _one_of(target: Any, known: Sequence[Any]) -> bool:
    return any(target is one or (isinstance(one, str) and target == one) for one in known)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
