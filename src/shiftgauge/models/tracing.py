"""Networks as torch.fx graphs in which the outputs of named parts can still be found."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from torch import fx, nn

from shiftgauge.models.capture import Tap

TRACE_ERRORS: Final = (
    RuntimeError,
    TypeError,
    ValueError,
    AttributeError,
    KeyError,
    IndexError,
    NameError,
    AssertionError,
)
"""What torch.fx raises for networks whose control flow it cannot follow."""


def tapped_graph(module: nn.Module, names: Sequence[str] = ()) -> fx.GraphModule | None:
    """Traces a copy of a network with a `Tap` after each named part; None where a part is not run exactly once.

    Args:
        module: The network; it is not changed.
        names: Module paths of the parts.

    Returns:
        The copy in evaluation mode, with convolutions and batch normalisations whole.

    Raises:
        RuntimeError: One of `TRACE_ERRORS`: the network cannot be traced.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        >>> [node.name for node in tapped_graph(net, ["0"]).graph.nodes]
        ['input_1', '_0', 'tap_0_of_shiftgauge', '_1', 'output']
    """
    copied = copy.deepcopy(module).eval()
    places = {name: f"tap_{i}_of_shiftgauge" for i, name in enumerate(names)}
    for name, place in places.items():
        copied.add_module(place, Tap(name))
    graph = _Tracer(places).trace(copied)
    once = sum(node.target in places.values() for node in graph.nodes) == len(places)
    return fx.GraphModule(copied, graph) if once else None


class _Tracer(fx.Tracer):
    """Keeps convolutions and batch normalisations whole, timm's own kinds among them; puts taps after named parts."""

    def __init__(self, taps: Mapping[str, str]) -> None:
        super().__init__()
        self._taps = taps

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        found = super().call_module(m, forward, args, kwargs)
        tap = self._taps.get(self.path_of_module(m))
        if tap is None:
            return found
        if not isinstance(found, fx.Proxy):
            raise TypeError("a tapped part must give one tensor")
        return self.create_proxy("call_module", tap, (found,), {})

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (nn.Conv2d, nn.BatchNorm2d)) or super().is_leaf_module(m, module_qualified_name)
