"""Outputs of named parts of a network, handed over while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from shiftgauge.checks import unknown_name
from shiftgauge.errors import ModelError

Sink = Callable[[str, Any], None]
"""Takes the name of a part and what the part gave."""


class Tap(nn.Module):
    """Passes a tensor on; marks in a traced network where the output of a named part is.

    Args:
        name: Module path of the part in the network before it was traced.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Returns the values."""
        return values


class Recorder:
    """Tells what named parts of a network give, to the thread that asks and to no other.

    The hooks stand only while some thread records; the network's mode, flags and outputs are untouched.

    Args:
        network: The network, or a traced copy whose `Tap`s bear the names.
        names: Module paths of the parts.

    Raises:
        ModelError: The network has no such part.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> shapes = {}
        >>> with Recorder(net, ["0"]).into(lambda name, value: shapes.update({name: tuple(value.shape)})):
        ...     _ = net(torch.zeros(5, 2))
        >>> shapes, len(net[0]._forward_hooks)
        ({'0': (5, 3)}, 0)
    """

    def __init__(self, network: nn.Module, names: Sequence[str]) -> None:
        self.network = network
        self._parts = _parts(network, names)
        self._lock = threading.Lock()
        self._local = threading.local()
        self._users = 0
        self._handles: list[Any] = []

    @contextmanager
    def into(self, sink: Sink) -> Iterator[None]:
        """Calls `sink` with name and output of each part that this thread runs inside the block."""
        self._enter()
        before = getattr(self._local, "sink", None)
        self._local.sink = sink
        try:
            yield
        finally:
            self._local.sink = before
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if self._users == 0:
                self._handles = [
                    part.register_forward_hook(self._hook(names)) for part, names in _names_of(self._parts)
                ]
            self._users += 1

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for handle in self._handles:
                    handle.remove()
                self._handles = []

    def _hook(self, names: tuple[str, ...]) -> Callable[[nn.Module, Any, Any], None]:
        def tell(module: nn.Module, inputs: Any, output: Any) -> None:
            sink = getattr(self._local, "sink", None)
            if sink is not None:
                for name in names:
                    sink(name, output)

        return tell


def block_outputs(network: nn.Module, images_nchw: torch.Tensor, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """Runs a network once and returns what its named parts gave, as copies.

    Mode and gradients are the caller's: nothing is switched, and the copies belong to the autograd graph where there is
    one. The network gets a copy of the images, because it may write into what it is given.

    Args:
        network: The network.
        images_nchw: What it takes, usually normalised images (N, C, H, W).
        names: Module paths of the parts.

    Returns:
        Name → tensor (N, ...), in the order of `names`.

    Raises:
        ModelError: An unknown part, or one that does not give one tensor with a row for each image exactly once.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(inplace=True))
        >>> found = block_outputs(net, torch.ones(2, 1, 2, 2), ["1", "2"])
        >>> [tuple(v.shape) for v in found.values()]
        [(2, 3), (2, 3)]
    """
    found: dict[str, torch.Tensor] = {}

    def keep(name: str, output: Any) -> None:
        if name in found:
            raise ModelError(repeated_text(name))
        found[name] = as_features(name, output, len(images_nchw)).clone()

    with Recorder(network, names).into(keep):
        network(images_nchw.clone())
    require_all(found, names)
    return {name: found[name] for name in names}


def run_counts(network: nn.Module, images_nchw: torch.Tensor, names: Sequence[str]) -> dict[str, int]:
    """Runs a network once and returns how often each named part gave one tensor with a row for each image.

    Args:
        network: The network.
        images_nchw: What it takes; it gets a copy.
        names: Module paths of the parts, in any order.

    Returns:
        Name → number of times, in the order in which the parts first gave what they give, which is that of the network
        whatever the order of its declaration. Parts that were not run are left out; one that gave something else once
        counts 0.

    Raises:
        ModelError: The network has no such part, or it is named twice.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
        >>> net.unused = nn.Linear(3, 3)
        >>> net.forward = lambda x: net[1](net[0](x))
        >>> run_counts(net, torch.ones(2, 1, 2, 2), ["unused", "1", "0"])
        {'0': 1, '1': 1}
    """
    counts: dict[str, int] = {}
    odd: set[str] = set()

    def keep(name: str, output: Any) -> None:
        counts[name] = counts.get(name, 0) + 1
        try:
            as_features(name, output, len(images_nchw))
        except ModelError:
            odd.add(name)

    with Recorder(network, names).into(keep):
        network(images_nchw.clone())
    return {name: 0 if name in odd else count for name, count in counts.items()}


def reducer(found: dict[str, torch.Tensor], reduce: Callable[[str, torch.Tensor], torch.Tensor], n_images: int) -> Sink:
    """Returns a sink that fills `found` with what is kept of each part, which must be run once."""

    def take(name: str, output: Any) -> None:
        if name in found:
            raise ModelError(repeated_text(name))
        found[name] = reduce(name, as_features(name, output, n_images))

    return take


def as_features(name: str, output: Any, n_images: int) -> torch.Tensor:
    """Returns the output of a part when it is a tensor of numbers with one row for each image.

    Raises:
        ModelError: It is something else.
    """
    if not isinstance(output, torch.Tensor):
        raise ModelError(f"block `{name}` gives a {type(output).__name__}; name a block that gives one tensor")
    if output.ndim < 2 or output.shape[0] != n_images:
        raise ModelError(
            f"block `{name}` gives {tuple(output.shape)} for {n_images} image(s); name a block that gives (N, ...), "
            "one row for each image"
        )
    if not output.is_floating_point():
        raise ModelError(f"block `{name}` gives {output.dtype}; name a block that gives real numbers")
    return output


def require_all(found: Any, names: Sequence[str]) -> None:
    """Checks that every named part was run.

    Raises:
        ModelError: A part gave nothing.
    """
    for name in names:
        if name not in found:
            raise ModelError(f"block `{name}` is not run when the network classifies; name one that is")


def repeated_text(name: str) -> str:
    """The message for a part that is run more than once for a batch."""
    return f"block `{name}` is run several times for one batch, so its output is not one map; name another block"


def _parts(network: nn.Module, names: Sequence[str]) -> dict[str, nn.Module]:
    twice = [name for name in names if list(names).count(name) > 1]
    if twice:
        raise ModelError(f"block `{twice[0]}` is named twice; name each block once")
    taps: dict[str, nn.Module] = {m.name: m for m in network.modules() if isinstance(m, Tap)}
    if names and all(name in taps for name in names):
        return {name: taps[name] for name in names}
    modules = dict(network.named_modules(remove_duplicate=False))
    for name in names:
        if not name or name not in modules:
            raise ModelError(unknown_name("block", name, [n for n in modules if n]))
    return {name: modules[name] for name in names}


def _names_of(parts: dict[str, nn.Module]) -> list[tuple[nn.Module, tuple[str, ...]]]:
    """Each part once, with all names it goes by."""
    named: dict[int, list[str]] = {}
    for name, part in parts.items():
        named.setdefault(id(part), []).append(name)
    return [(parts[names[0]], tuple(names)) for names in named.values()]
