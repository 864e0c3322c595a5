"""Convolutions that add a residual and apply their activation while the result is still in the cache."""

import contextlib
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

Activation = tuple[str, list[float]]

_ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")


class FusedConv2d(nn.Module):
    """A convolution, an optional addition and an optional activation as one oneDNN operator.

    The operators are those that torch.compile uses on CPUs (`torch.ops.mkldnn._convolution_pointwise`);
    they need no compiler. Their values are those of the separate layers, up to rounding. The weights are laid out
    for oneDNN at the first call, which changes no value and saves doing it at every call.

    Args:
        conv: The convolution; its weights are shared, not copied.
        activation: Name and limits, e.g. `("hardtanh", [0.0, 6.0])`, or None.
    """

    def __init__(self, conv: nn.Conv2d, activation: Activation | None) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.same = type(conv).__name__ == "Conv2dSame"
        self.kernel = conv.kernel_size
        self.geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.activation, self.limits = activation or ("none", [])
        self.laid_out: torch.Tensor | None = None

    def forward(self, images: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
        """Returns activation(conv(images) + other)."""
        if self.same:
            images = self._padded(images)
        weight = self._laid_out_for(images)
        if other is None:
            return torch.ops.mkldnn._convolution_pointwise(
                images, weight, self.bias, *self.geometry, self.activation, self.limits, ""
            )
        chosen = (None, [], None) if self.activation == "none" else (self.activation, self.limits, None)
        return torch.ops.mkldnn._convolution_pointwise.binary(
            images, other, weight, self.bias, *self.geometry, "add", None, *chosen
        )

    def _laid_out_for(self, images: torch.Tensor) -> torch.Tensor:
        """The weights as oneDNN wants them; the plain ones where this build cannot lay them out."""
        if self.laid_out is not None:
            return self.laid_out
        reorder = getattr(torch.ops.mkldnn, "_reorder_convolution_weight", None)
        weight: torch.Tensor = self.weight
        if reorder is not None:
            with contextlib.suppress(RuntimeError, TypeError):  # another signature in another version of torch
                weight = reorder(weight, *self.geometry, list(images.shape))
        self.laid_out = weight
        return weight

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out the laid-out weights, which can be neither copied nor pickled."""
        return {**self.__dict__, "laid_out": None}

    def _padded(self, images: torch.Tensor) -> torch.Tensor:
        """Pads as TensorFlow's `same` does: the odd pixel goes to the right and the bottom."""
        _, stride, dilation, _ = self.geometry
        pads: list[int] = []
        for axis in (1, 0):  # functional.pad starts with the last axis
            size, reach = images.shape[2 + axis], (self.kernel[axis] - 1) * dilation[axis] + 1
            total = max((-(-size // stride[axis]) - 1) * stride[axis] + reach - size, 0)
            pads += [total // 2, total - total // 2]
        return functional.pad(images, pads) if any(pads) else images


def fuse_activations(network: fx.GraphModule) -> int:
    """Replaces convolution (+ addition) (+ ReLU or ReLU6) by one operator each, in place.

    A pattern counts when nothing else reads what lies between its parts. Other convolutions are replaced as well, so
    that their weights are laid out once.

    Args:
        network: A traced network in evaluation mode, in channels last, on a CPU.

    Returns:
        The number of convolutions that took in an addition or an activation.
    """
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return 0
    modules: dict[str, nn.Module] = dict(network.named_modules())
    order = {node: i for i, node in enumerate(network.graph.nodes)}
    targets = [n.target for n in network.graph.nodes if n.op == "call_module"]
    count = 0
    for node in list(network.graph.nodes):
        conv = modules.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(conv, nn.Conv2d) or not _is_plain(conv) or targets.count(node.target) != 1:
            continue
        chain, other = _addition(node, modules, order)
        activation, end = _activation(chain[-1], modules)
        chain += end
        parent, _, name = str(node.target).rpartition(".")
        setattr(network.get_submodule(parent) if parent else network, name, FusedConv2d(conv, activation))
        _rewrite(network, node, chain, other)
        count += activation is not None or other is not None
    network.graph.lint()
    network.recompile()
    return count


def _is_plain(conv: nn.Conv2d) -> bool:
    same = type(conv).__name__ == "Conv2dSame"
    plain = type(conv).forward is nn.Conv2d.forward and not isinstance(conv.padding, str)
    return (same or plain) and conv.padding_mode == "zeros"


def _addition(
    node: fx.Node, modules: dict[str, nn.Module], order: dict[fx.Node, int]
) -> tuple[list[fx.Node], fx.Node | None]:
    """The nodes from a convolution to the addition that alone reads it, and what is added."""
    chain = [node, *_identities(node, modules)]
    user = _only_user(chain[-1])
    if user is None or user.target not in _ADDITIONS or len(user.args) != 2 or user.kwargs:
        return chain, None
    others = [a for a in user.args if a is not chain[-1]]
    if len(others) != 1 or not isinstance(others[0], fx.Node) or order[others[0]] > order[node]:
        return chain, None  # the other part is not known yet when the convolution runs
    return [*chain, user], others[0]


def _activation(node: fx.Node, modules: dict[str, nn.Module]) -> tuple[Activation | None, list[fx.Node]]:
    chain = _identities(node, modules)
    user = _only_user(chain[-1] if chain else node)
    layer = modules.get(str(user.target)) if user is not None and user.op == "call_module" else None
    if user is None:
        return None, []
    if type(layer) is nn.ReLU or user.target in (torch.relu, functional.relu, "relu"):
        return ("relu", []), [*chain, user]
    if type(layer) is nn.ReLU6:
        return ("hardtanh", [0.0, 6.0]), [*chain, user]
    return None, []


def _identities(node: fx.Node, modules: dict[str, nn.Module]) -> list[fx.Node]:
    found: list[fx.Node] = []
    user = _only_user(node)
    while user is not None and user.op == "call_module" and _passes(modules.get(str(user.target))):
        found.append(user)
        user = _only_user(user)
    return found


def _passes(module: nn.Module | None) -> bool:
    """Tells whether a layer hands its input on as it is."""
    return type(module) is nn.Identity or (isinstance(module, nn.Sequential) and all(_passes(m) for m in module))


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _rewrite(network: fx.GraphModule, node: fx.Node, chain: Sequence[fx.Node], other: fx.Node | None) -> None:
    arguments: tuple[Any, ...] = (node.args[0],) if other is None else (node.args[0], other)
    last = chain[-1]
    last.replace_all_uses_with(node)
    node.args = arguments
    for dead in reversed(chain[1:]):
        network.graph.erase_node(dead)
