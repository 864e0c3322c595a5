"""How changes pass through parts that take or give several values, and through all that is not known."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import fx
from torch.utils import _pytree as tree

from shiftgauge.explain.window_change import Carried, Change, Found, Parts, Raw, Rest, Rule, Way, whole

_SPLITS: Final = ("chunk", "split", "tensor_split", torch.chunk, torch.split, torch.tensor_split)


def run_node(node: fx.Node, traced: fx.GraphModule, value_of: Callable[[fx.Node], Any]) -> Any:
    """Runs one node on the values of its inputs."""
    if node.op == "get_attr":
        return operator.attrgetter(str(node.target))(traced)
    args: Any = fx.map_arg(node.args, value_of)
    kwargs: Any = fx.map_arg(node.kwargs, value_of)
    if node.op == "call_module":
        return traced.get_submodule(str(node.target))(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    function: Any = node.target
    return function(*args, **kwargs)


def through_whole(node: fx.Node) -> Rule:
    """Runs the part on whole values: on all tensors that change, wherever they stand in what it is given.

    Tensors without a derivative (masks, places of a maximum) are those of the pushed images in a difference, and those
    at rest in a derivative.
    """

    def rule(traced: fx.GraphModule, rest: Rest, found: Found, way: Way) -> Carried:
        flat = {n: tree.tree_flatten(rest[n]) for n in node.all_input_nodes if n in found}
        carried = {n: _leaves(found[n]) for n in flat}
        moved = [(n, k, leaf) for n in flat for k, leaf in enumerate(carried[n]) if isinstance(leaf, Change)]
        before = [flat[n][0][k] for n, k, _ in moved]
        deltas = [whole(change, value) for (_, _, change), value in zip(moved, before, strict=True)]

        def run(*values: torch.Tensor) -> list[Any]:
            filled = {n: [leaf.value if isinstance(leaf, Raw) else None for leaf in carried[n]] for n in flat}
            for (n, k, _), value in zip(moved, values, strict=True):
                filled[n][k] = value
            made = {n: tree.tree_unflatten(filled[n], flat[n][1]) for n in flat}
            return _members(run_node(node, traced, lambda n: made[n] if n in made else rest[n]))

        leaves = way.through_members(run, before, deltas, _members(rest[node]))
        return leaves[0] if tree.tree_flatten(rest[node])[1].is_leaf() else Parts(leaves)

    return rule


def through_member(node: fx.Node) -> Rule:
    """One member of a tuple or list is handed on as it is."""

    def rule(traced: fx.GraphModule, rest: Rest, found: Found, way: Way) -> Carried:
        source, index = node.args
        parts = found.get(source) if isinstance(source, fx.Node) else None
        if isinstance(parts, Parts) and isinstance(source, fx.Node) and isinstance(index, int):
            given = rest[source]
            if isinstance(given, (tuple, list)) and len(given) == len(parts.leaves):
                return parts.leaves[index]
        return through_whole(node)(traced, rest, found, way)

    return rule


def split_of(node: fx.Node) -> fx.Node | None:
    """Returns the map that a node splits between its channels, or None where it does something else."""
    if not any(node.target is known or node.target == known for known in _SPLITS) or len(node.all_input_nodes) != 1:
        return None
    axis = node.args[2] if len(node.args) > 2 else node.kwargs.get("dim", 0)
    return node.all_input_nodes[0] if axis == 1 else None


def through_split(node: fx.Node) -> Rule:
    """Splitting a map between its channels splits the window."""

    def rule(traced: fx.GraphModule, rest: Rest, found: Found, way: Way) -> Carried:
        source = node.all_input_nodes[0]
        change = found[source]
        if not isinstance(change, Change) or change.values.ndim != 4 or rest[source].ndim != 4:
            return through_whole(node)(traced, rest, found, way)
        pieces = run_node(node, traced, lambda n: change.values)
        return Parts(tuple(Change(piece, change.corner) for piece in pieces))

    return rule


def _leaves(carried: Carried) -> tuple[Change | Raw, ...]:
    return carried.leaves if isinstance(carried, Parts) else (carried,)


def _members(value: Any) -> list[Any]:
    """The members of nested tuples, lists and dictionaries.

    Raises:
        TypeError: A container of another kind, whose tensors would be overlooked.
    """
    leaves = tree.tree_flatten(value)[0]
    for leaf in leaves:
        if isinstance(leaf, (tuple, list, Mapping)) or hasattr(leaf, "__dataclass_fields__"):
            raise TypeError(f"a part gives a {type(leaf).__name__}, whose members are not known")
    return leaves
