"""The walk through a network that carries a Lipschitz constant from its input to its outputs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import fx, nn

from shiftgauge.models.lipschitz_linear import NoBoundError, batch_norm_gains, weighted_matrix
from shiftgauge.models.lipschitz_rules import RULES, Change, Part, change_after, linear_change
from shiftgauge.models.parseval_layers import ScaledConv2d
from shiftgauge.models.tracing import TRACE_ERRORS
from shiftgauge.models.weights import one_line
from shiftgauge.types import FloatArray

_FIXED: Final = Change(constant=0.0)
_LINEAR: Final = (nn.Conv2d, ScaledConv2d, nn.Linear)
_NORMS: Final = (nn.BatchNorm2d, nn.BatchNorm1d)


@dataclass(frozen=True, kw_only=True)
class LipschitzStep:
    """One part of a network on the way.

    Args:
        name: Module path, or the name of an operation.
        kind: Class of the module, or name of the operation.
        constant: Lipschitz constant from the input of the network to the output of the part.
    """

    name: str
    kind: str
    constant: float


class LipschitzWalk:
    """Runs a network once, on one image, and says of each part how much it can change with the input.

    A convolution or linear layer that a batch normalisation alone reads is taken together with it.

    Args:
        start: How the input can change.
        tolerance: Of the bound of one convolution.
    """

    def __init__(self, start: Change, tolerance: float) -> None:
        self.start, self.tolerance = start, tolerance
        self.steps: list[LipschitzStep] = []
        self.value = math.inf
        self.pairs_kk: FloatArray = np.empty((0, 0))

    def through(self, network: nn.Module, example_1chw: torch.Tensor) -> None:
        """Walks; fills in the steps, the constant and that of each difference of two outputs.

        Args:
            network: In evaluation mode.
            example_1chw: One image that is not uniform, to know shapes by, and whether the graph is the network.

        Raises:
            NoBoundError: No constant follows.
        """
        try:
            graph = fx.GraphModule(network, _Tracer().trace(network))
        except TRACE_ERRORS as error:
            raise NoBoundError(f"the way through the network cannot be followed: {one_line(error)}") from error
        walked = _Interpreter(graph, self)
        out = walked.run(example_1chw.clone())
        if isinstance(out, torch.Tensor) and not _same(out, network(example_1chw.clone())):
            raise NoBoundError(
                "the way through the network cannot be followed: its parts in the order of the graph give another "
                "output; look for `+=` on a value that has a second name"
            )
        last = next(iter(reversed(graph.graph.nodes))).args[0]
        if not isinstance(last, fx.Node) or not isinstance(out, torch.Tensor) or out.ndim != 2:
            raise NoBoundError("the network does not give one row of outputs for each image")
        self.value = walked.changes[last].plain
        # the difference of two outputs is the product with a vector of length √2
        apart = math.sqrt(2) * self.value * (1 - np.eye(int(out.shape[1])))
        found = walked.pairs.get(last)
        self.pairs_kk = apart if found is None else found


class _Tracer(fx.Tracer):
    """Keeps whole every part for which there is a rule."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in RULES or super().is_leaf_module(m, module_qualified_name)


class _Interpreter(fx.Interpreter):
    """Runs a graph and keeps beside each value how it can change."""

    def __init__(self, graph: fx.GraphModule, walk: LipschitzWalk) -> None:
        super().__init__(graph)
        self.extra_traceback = False
        self.start, self.steps, self.tolerance = walk.start, walk.steps, walk.tolerance
        self.changes: dict[fx.Node, Any] = {}
        self.pairs: dict[fx.Node, FloatArray] = {}
        self.waiting: dict[fx.Node, Part] = {}

    def run_node(self, n: fx.Node) -> Any:
        before = self._versions(n)
        out = super().run_node(n)
        if n.op == "placeholder":
            self.changes[n] = self.start
        elif n.op == "get_attr":
            self.changes[n] = _FIXED
        elif n.op != "output":
            try:
                self.changes[n] = self._change(n, out)
                self._written_over(n, out, before)
            except NoBoundError as error:
                name = str(n.target) if n.op == "call_module" else n.name
                raise NoBoundError(f"`{name}` stands in the way: {error}") from error
        return out

    def _versions(self, n: fx.Node) -> dict[fx.Node, int]:
        """How often each value that is read again after a node has been written over."""
        done = self.user_to_last_uses.get(n, [])
        held = {m: value for m, value in self.env.items() if isinstance(value, torch.Tensor) and m not in done}
        return {m: value._version for m, value in held.items()}

    def _written_over(self, n: fx.Node, out: Any, before: dict[fx.Node, int]) -> None:
        """Values that a node wrote over can change as its output can, where they are the same tensor.

        Raises:
            NoBoundError: It wrote over a part of a value, or a view of one, that is read again.
        """
        for m, version in before.items():
            if self.env[m]._version == version:
                continue
            if self.env[m] is not out:
                raise NoBoundError("it writes over a value that is read again under another name")
            self.changes[m] = self.changes[n]

    def _change(self, n: fx.Node, out: Any) -> Change | None:
        changes = [self._known(argument) for argument in n.args]
        moving = _moving(changes)
        if not isinstance(out, torch.Tensor):
            if moving and _holds_tensor(out):
                raise NoBoundError("it gives several tensors")
            return None
        if _moving([self._known(value) for value in n.kwargs.values()]):
            raise NoBoundError("it is given a map by name")
        if not moving:
            return _FIXED
        values, keywords = self.fetch_args_kwargs_from_env(n)
        target: Any = self.fetch_attr(str(n.target)) if n.op == "call_module" else n.target
        part = Part(target=target, values=values, changes=changes, keywords=keywords, out=out, tolerance=self.tolerance)
        return self._ruled(n, part)

    def _ruled(self, n: fx.Node, part: Part) -> Change:
        module = isinstance(part.target, nn.Module)
        by_output = part.out.ndim in (2, 4)  # else the axis that is normalised is not that of the outputs
        if type(part.target) in _LINEAR and by_output and self._waits(n):
            self.waiting[n] = part
            return part.first
        kind, before = type(part.target).__name__ if module else n.name, n.args[0]
        if isinstance(before, fx.Node) and before in self.waiting:
            linear = self.waiting[before]
            kind = f"{type(linear.target).__name__} and {kind}"
            found = linear_change(linear, after=batch_norm_gains(part.target))
        else:
            found = change_after(part)
        if type(part.target) is nn.Linear and part.out.ndim == 2:
            rows = weighted_matrix(part.target, part.first.channels)
            apart = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
            self.pairs[n] = part.first.constant * apart.numpy()
        self.steps.append(LipschitzStep(name=str(n.target) if module else n.name, kind=kind, constant=found.plain))
        return found

    def _waits(self, n: fx.Node) -> bool:
        """Whether a batch normalisation alone reads what a layer gives."""
        reader = next(iter(n.users)) if len(n.users) == 1 else None
        return reader is not None and reader.op == "call_module" and type(self.fetch_attr(str(reader.target))) in _NORMS

    def _known(self, argument: Any) -> Any:
        if isinstance(argument, (list, tuple)):
            return [self._known(part) for part in argument]
        return self.changes[argument] if isinstance(argument, fx.Node) else None


def _same(found: torch.Tensor, network: Any) -> bool:
    """Whether two outputs are one up to rounding."""
    if not isinstance(network, torch.Tensor) or network.shape != found.shape:
        return False
    return bool(torch.allclose(found.double(), network.double(), rtol=1e-3, atol=1e-3 * float(network.abs().max())))


def _moving(changes: Iterable[Any]) -> list[Change]:
    """Those that depend on the input, out of lists too."""
    found: list[Change] = []
    for change in changes:
        if isinstance(change, list):
            found += _moving(change)
        elif change is not None and change.constant > 0:
            found.append(change)
    return found


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(_holds_tensor(part) for part in value)
    return isinstance(value, torch.Tensor)
