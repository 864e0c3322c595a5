r"""What a push of few pixels changes inside a network, computed only where it can reach.

A push $\delta$ of the input changes the value $v$ of every part of the network by

$$ \Delta v = v(x + \delta) - v(x), $$

which is zero outside a window: 3×3 after a first convolution of 3×3, 5×5 after the second, and so on until the window
fills the map. Pushes of neighbouring pixels (a tile of the image) share one window. $v(x)$ is computed once for an
image; a linear part then needs $\Delta v$ alone (a convolution: $W * \Delta v$, no bias), a part that works point by
point or on small cells needs $v(x)$ in the window besides. What is no such part (attention, say) is run on whole
values, $\Delta = f(v + \Delta v) - f(v)$; so the result is that of a full run, up to rounding, for any network that
torch.fx can trace. It is in fact closer to the truth than the difference of two full runs in float32, because small
changes are never taken as a difference of large numbers where the mathematics does not ask for it.

With the derivative in place of the difference the same walk gives columns of the Jacobian (forward mode).

What is saved: with tiles of 4×4 pixels of a 32×32 image VGG-16 needs of the multiplications of its convolutions 5 % in
block 1, 17 % in block 2, 69 % in block 3, all in block 4, whose maps a pixel reaches entirely, and 44 % in block 5
(see `window_products`): 59 % in all, and 52 % where channels that no push changes are left out; the small ResNet-18
3, 10, 35, 81 and 100 %: 55 % in all. What comes after the last block asked for is not run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import torch
from torch import fx, nn
from torch.autograd import forward_ad

from shiftgauge.explain.window_change import Carried, Change, Way, dual, tangent_of, whole
from shiftgauge.explain.window_members import run_node
from shiftgauge.explain.window_rules import find_rule
from shiftgauge.models.capture import Recorder, Tap, as_features, repeated_text, require_all
from shiftgauge.models.conversion import fold_batch_norm
from shiftgauge.models.tracing import TRACE_ERRORS, tapped_graph

Sink = Callable[[str, Change, torch.Tensor], None]
"""Takes the name of a block, what changed of it and what it gives for the image at rest (1, ...).

What changed is to be read or copied at once: the next part may write into it.
"""

_TOLERANCE: Final = 1e-4
"""Largest difference from what a full run changes, relative to the largest change, at which the walk is trusted."""
_ROUNDING: Final = 64
"""Times the rounding of the largest value: what two full runs may differ by without a reason."""
_UNSURE: Final = 0.1
"""Share of the largest change that rounding may hide; above it differences prove nothing."""
_KINKS: Final = 1e-2
"""The same tolerance for the length of a derivative: a ReLU near 0 may have either slope in either run."""
_SIDE: Final = 4
"""Pixels of the tiles that are tried."""


class Pushed(Protocol):
    """A network that tells what pushes of an image change in its blocks."""

    local: bool

    def at_rest(self, image_1chw: torch.Tensor) -> Mapping[Any, Any]:
        """Runs the unchanged image and keeps what `respond` needs of it."""
        ...

    def respond(self, rest: Mapping[Any, Any], push: Change, way: Way, sink: Sink) -> None:
        """Tells the sink what a batch of pushes (n, C, h, w) of the image changes in each block."""
        ...


class LocalNetwork:
    """A traced network, walked with the window that a push can reach.

    Args:
        traced: The network's graph, with a `Tap` after each block; in evaluation mode.
    """

    local = True

    def __init__(self, traced: fx.GraphModule) -> None:
        self._modules = dict(traced.named_modules(remove_duplicate=False))
        self._nodes = _needed(traced, self._modules)
        self._traced = traced
        self._rules = {node: find_rule(node, self._modules) for node in self._nodes}
        self._done = _last_uses(self._nodes)

    def at_rest(self, image_1chw: torch.Tensor) -> Mapping[Any, Any]:
        """Runs the unchanged image (1, C, H, W) and keeps what every part gives."""
        rest: dict[fx.Node, Any] = {}
        image = image_1chw.contiguous(memory_format=torch.channels_last)
        for node in self._nodes:
            if node.op == "placeholder":
                rest[node] = image
            elif node.op != "output":
                # copies, because a part may write into what it was given
                rest[node] = run_node(node, self._traced, lambda n: _copied(rest[n]))
        return rest

    def respond(self, rest: Mapping[Any, Any], push: Change, way: Way, sink: Sink) -> None:
        """Walks the graph with a batch of pushes, and tells the sink at each tap."""
        found: dict[fx.Node, Carried] = {}
        for node in self._nodes:
            if node.op == "placeholder":
                found[node] = push
            elif any(n in found for n in node.all_input_nodes):
                found[node] = self._rules[node](self._traced, rest, found, way)
                change, part = found[node], self._modules.get(str(node.target))
                if isinstance(part, Tap) and isinstance(change, Change):
                    sink(part.name, change, rest[node])
            for other in self._done[node]:
                found.pop(other, None)


class PlainNetwork:
    """A network that cannot be traced: whole images are run, and every block compared with the image at rest.

    Args:
        module: The network, in evaluation mode.
        names: Module paths of the blocks.
    """

    local = False

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        self._module, self._names = module, tuple(names)
        self._recorder = Recorder(module, self._names)

    def at_rest(self, image_1chw: torch.Tensor) -> Mapping[Any, Any]:
        """Runs the unchanged image (1, C, H, W) and keeps what the blocks give."""
        return {"": image_1chw, **self._run(image_1chw.clone())}  # the network may write into what it is given

    def respond(self, rest: Mapping[Any, Any], push: Change, way: Way, sink: Sink) -> None:
        """Runs the pushed images."""
        delta, image = whole(push, rest[""]), rest[""]
        if way.is_derivative:
            with forward_ad.dual_level():
                found = self._run(dual(image, delta))
                changes = {name: tangent_of(value) for name, value in found.items()}
        else:
            changes = {name: value - rest[name] for name, value in self._run(image + delta).items()}
        for name in self._names:
            sink(name, Change(changes[name]), rest[name])

    def _run(self, images_nchw: torch.Tensor) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = {}

        def keep(name: str, output: Any) -> None:
            if name in found:
                raise ValueError(repeated_text(name))
            found[name] = as_features(name, output, len(images_nchw)).clone()

        with self._recorder.into(keep):
            self._module(images_nchw)
        require_all(found, self._names)
        return found


def pushed_network(
    module: nn.Module, names: Sequence[str], samples_nchw: torch.Tensor, way: Way | None = None
) -> Pushed:
    """Returns the network in the form that answers pushes fastest.

    Batch normalisation is folded into the convolution before it. The walk is used only if it gives what a full run
    gives for pushes in two tiles of a sample, to 1e-4 of the largest change of every block and rounding, of derivatives
    to 1e-2 of their length besides, and if every block changed; otherwise whole images are run.

    Args:
        module: The network, in evaluation mode; it is not changed.
        names: Module paths of the blocks, in the order of the network.
        samples_nchw: Normalised images (N, C, H, W), N ≥ 1.
        way: What will be asked for: differences (default) or derivatives.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3)).eval()
        >>> pushed_network(net, ["1", "3"], torch.rand(1, 1, 6, 6)).local
        True
    """
    plain = PlainNetwork(module, names)
    samples = samples_nchw[:2] if len(samples_nchw) > 1 else samples_nchw.expand(2, -1, -1, -1).contiguous()
    try:
        traced = fold_batch_norm(module, samples, names) or tapped_graph(module, names)
        if not isinstance(traced, fx.GraphModule):
            return plain
        traced = traced.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # pyright: ignore
        local = LocalNetwork(traced)
        return local if _agree(local, plain, samples[:1], way or Way()) else plain
    except TRACE_ERRORS:
        return plain


def _agree(local: LocalNetwork, plain: PlainNetwork, image: torch.Tensor, way: Way) -> bool:
    """Compares both forms on tiles as they are pushed, until every block was seen to change alike.

    A full run gives a change as the difference of two values, of which rounding leaves nothing where the values are
    large: derivatives then decide. For derivatives one tile of differences besides is enough.
    """
    with torch.no_grad():
        rests = local.at_rest(image), plain.at_rest(image)
        names, seen = rests[1].keys() - {""}, set[str]()
        pixels, far, everywhere = pushes = _tried_pushes(image)
        for push in [far] if way.is_derivative else pushes:
            if push is everywhere and seen == names:
                break
            moved = _changed_alike(local, plain, rests, push)
            if moved is None:
                return False
            seen |= moved
        for push in pushes if seen != names else [pixels] if way.is_derivative else []:
            moved = _moved_alike(local, plain, rests, push)
            if moved is None:
                return False
            seen |= moved
        return seen == names


def _changed_alike(
    local: LocalNetwork, plain: PlainNetwork, rests: tuple[Mapping[Any, Any], Mapping[Any, Any]], push: Change
) -> set[str] | None:
    """Blocks that a tile changes by more than rounding hides, if all differences agree; None if one does not."""
    ours, full = (_told(n, rest, push, Way()) for n, rest in zip((local, plain), rests, strict=True))
    seen = set[str]()
    for name, change in full.items():
        largest = float(change.abs().max())
        noise = _ROUNDING * torch.finfo(change.dtype).eps * float(rests[1][name].abs().max())
        if not _largest_gap(ours.get(name), change) <= _TOLERANCE * largest + noise:
            return None
        if noise < _UNSURE * largest:
            seen.add(name)
    return seen


def _moved_alike(
    local: LocalNetwork, plain: PlainNetwork, rests: tuple[Mapping[Any, Any], Mapping[Any, Any]], push: Change
) -> set[str] | None:
    """Blocks that a tile moves at all, if all derivatives agree; None if one does not."""
    way = Way(is_derivative=True)
    ours, full = (_told(n, rest, push, way) for n, rest in zip((local, plain), rests, strict=True))
    moved = set[str]()
    for name, slope in full.items():
        if name not in ours or ours[name].shape != slope.shape:
            return None
        gap, length = (v.flatten(1).norm(dim=1) for v in (ours[name] - slope, slope))
        if not bool((gap <= _KINKS * length).all()):
            return None
        if bool(length.any()):
            moved.add(name)
    return moved


def _told(network: Pushed, rest: Mapping[Any, Any], push: Change, way: Way) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    network.respond(rest, push, way, lambda name, change, given: found.update({name: whole(change, given).clone()}))
    return found


def _largest_gap(ours: torch.Tensor | None, full: torch.Tensor) -> float:
    return torch.inf if ours is None or ours.shape != full.shape else float((ours - full).abs().max())


def _tried_pushes(image: torch.Tensor) -> list[Change]:
    """Two pixels of a tile in the middle, of the first and the last channel; all of one at a corner, far; the image.

    Each push is a run of a whole image, so that no more are made than tell the ways of a change apart. Strides may
    pass over a tile, so that it reaches no deep block.
    """
    channels, height, width = image.shape[1:]
    rows, columns = min(_SIDE, height), min(_SIDE, width)
    pixels, far = image.new_zeros(2, channels, rows, columns), image.new_full((1, channels, rows, columns), 4.0)
    pixels[0, 0, 0, 0], pixels[1, -1, -1, -1] = 0.5, -1.0
    far[..., ::2, 1::2] = -4.0
    everywhere = torch.full_like(image, 0.5)
    everywhere[..., ::2, 1::2] = -1.0
    middle, corner = ((height - rows) // 2, (width - columns) // 2), (0, width - columns)
    return [Change(pixels, middle), Change(far, corner), Change(everywhere, (0, 0))]


def _needed(traced: fx.GraphModule, modules: Mapping[str, nn.Module]) -> list[fx.Node]:
    """The nodes that the taps depend on, in order: what comes after the last block is not run."""
    nodes = list(traced.graph.nodes)
    wanted: set[fx.Node] = set()
    for node in reversed(nodes):
        tap = node.op == "call_module" and isinstance(modules[str(node.target)], Tap)
        if tap or node in wanted or node.op == "placeholder":
            wanted.update([node, *node.all_input_nodes])
    return [node for node in nodes if node in wanted]


def _last_uses(nodes: Sequence[fx.Node]) -> dict[fx.Node, list[fx.Node]]:
    """For each node those that nothing later reads."""
    last = {source: node for node in nodes for source in (node, *node.all_input_nodes)}
    done: dict[fx.Node, list[fx.Node]] = {node: [] for node in nodes}
    for source, node in last.items():
        done[node].append(source)
    return done


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value
