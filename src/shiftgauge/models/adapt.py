"""Fits a trained network to other classes and channels: its head, its first convolution, its weights."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import torch
from torch import nn

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ModelError
from shiftgauge.models.weights import COUNTER, best_names, misfit

FirstConvolution: TypeAlias = Literal["mean", "sum", "new"]
WAYS: tuple[FirstConvolution, ...] = ("mean", "sum", "new")
"""What can become of first-layer weights that were trained on another number of channels."""
_DONE = {"sum": "summed", "mean": "averaged"}


def adapt_first_convolution(weight_ocij: torch.Tensor, channels: int, how: FirstConvolution = "sum") -> torch.Tensor:
    """Turns the weights of a convolution over K channels into weights over C channels.

    With w the given weights and w̄ = Σ_k w_k / K their mean over the channels,

    * `sum`: every new channel gets K w̄ / C, so that C equal channels give what K equal ones gave; for C = 1 this is
      the sum over colour, and a grey image gives what its copy in three channels gave;
    * `mean`: every new channel gets w̄.

    Both are exact where the channels are normalised alike (one mean and one standard deviation for all); where a
    network was trained with one mean per colour, the difference of the means is lost.

    Args:
        weight_ocij: Weights (outputs, K, height, width).
        channels: C, ≥ 1. With C = K the weights are returned as they are.
        how: `sum` (default) or `mean`.

    Returns:
        Weights (outputs, C, height, width).

    Raises:
        ModelError: The weights are not those of a convolution over whole channels.
        ConfigError: Another word, or no channels.

    Example:
        >>> w = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
        >>> adapt_first_convolution(w, 1).flatten().tolist(), adapt_first_convolution(w, 2, "mean").flatten().tolist()
        ([6.0], [2.0, 2.0])
    """
    require_in("way to adapt the first convolution", how, ("mean", "sum"))
    require_positive_int("channels", channels)
    if weight_ocij.ndim != 4:
        raise ModelError(f"weights of a convolution have four axes, got the shape {tuple(weight_ocij.shape)}")
    given = weight_ocij.shape[1]
    if given == channels:
        return weight_ocij
    scale = 1 / channels if how == "sum" else 1 / given
    return (weight_ocij.sum(dim=1, keepdim=True) * scale).repeat(1, channels, 1, 1)


def replace_head(network: nn.Module, head: str, *, n_classes: int, dropout: float = 0.0) -> nn.Module:
    """Puts a new linear layer for `n_classes` where the network's head is, with dropout before it.

    Args:
        network: The network; changed in place.
        head: Module path of its head, an `nn.Linear` or an `nn.Sequential` that ends with one.
        n_classes: Outputs, ≥ 1.
        dropout: Chance that a feature is dropped while training, in [0, 1]; 0 (default) puts the linear layer alone.

    Returns:
        The network.

    Raises:
        ModelError: There is no linear layer at that path.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 9))
        >>> replace_head(net, "1", n_classes=2, dropout=0.5)[1]
        Sequential(
          (0): Dropout(p=0.5, inplace=False)
          (1): Linear(in_features=4, out_features=2, bias=True)
        )
    """
    try:
        old = network.get_submodule(head)
    except AttributeError as error:
        raise ModelError(f"{type(network).__name__} has no part `{head}` to be replaced by a new head") from error
    last = old[-1] if isinstance(old, nn.Sequential) and len(old) else old
    if not isinstance(last, nn.Linear):
        raise ModelError(
            f"the head `{head}` of {type(network).__name__} is no linear layer but {type(last).__name__}; state its "
            "own dropout in `arguments` instead of `dropout`"
        )
    linear = nn.Linear(last.in_features, n_classes, bias=last.bias is not None)
    parent, _, name = head.rpartition(".")
    network.get_submodule(parent).register_module(
        name, nn.Sequential(nn.Dropout(dropout), linear) if dropout > 0 else linear
    )
    return network


def transfer_weights(
    network: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    *,
    heads: Sequence[str],
    first: str,
    how: FirstConvolution = "sum",
    source: str = "the weights",
) -> tuple[str, ...]:
    """Copies trained weights into a network for other classes or channels.

    Every tensor is taken by its name. A head is taken when it fits and left as it is otherwise; the first convolution
    is adapted when its channels differ. Whatever else is missing, left over or of another shape is an error: a
    backbone is never filled in part.

    Args:
        network: The network; changed in place.
        tensors: Named tensors, with or without a prefix that wrappers add, with or without a head.
        heads: Module paths of the network's heads (one, as a rule).
        first: Module path of its first convolution; `""` for none.
        how: What becomes of a first convolution over other channels; `new` keeps the network's own.
        source: What messages call the weights.

    Returns:
        Sentences that say what was adapted and what was left out.

    Raises:
        ModelError: The weights are not those of this architecture; at most three names are listed.

    Example:
        >>> old = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Linear(2, 9))
        >>> new = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Linear(2, 4))
        >>> for sentence in transfer_weights(new, old.state_dict(), heads=["1"], first="0"):
        ...     print(sentence)
        the first convolution `0` was trained on 3 channels; its weights are summed over them for 1
        the head `1` of the weights has another shape and is left out; the new head starts at random
    """
    require_in("way to adapt the first convolution", how, WAYS)
    wanted = network.state_dict()
    named = dict(best_names(wanted, tensors)[1])
    notes: list[str] = []
    for head in heads:
        _rename_head(named, wanted, head)
    _take_first(named, wanted, first, how, notes)
    for head in heads:
        _take_head(named, wanted, head, notes)
    _take_counters(named, wanted)
    if reason := misfit(named, wanted):
        raise ModelError(f"{source} does not fit the network: {reason}")
    network.load_state_dict(named, strict=True)
    return tuple(notes)


def _rename_head(named: dict[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], head: str) -> None:
    """A head with dropout holds its linear layer as its part 1: the same weights under another name."""
    for kind in ("weight", "bias"):
        plain, inner = f"{head}.{kind}", f"{head}.1.{kind}"
        for given, needed in ((plain, inner), (inner, plain)):
            if given in named and given not in wanted and needed in wanted:
                named[needed] = named.pop(given)


def _take_first(
    named: dict[str, torch.Tensor],
    wanted: Mapping[str, torch.Tensor],
    first: str,
    how: FirstConvolution,
    notes: list[str],
) -> None:
    name = f"{first}.weight"
    if name not in named or name not in wanted:
        return
    given, needed = named[name], wanted[name]
    if given.ndim != 4 or given.shape[1] == needed.shape[1]:
        return
    before, after = given.shape[1], needed.shape[1]
    said = f"the first convolution `{first}` was trained on {before} channels"
    if how == "new":
        named[name] = needed
        notes.append(f"{said}; its weights are left out and it starts at random for {after}")
    else:
        named[name] = adapt_first_convolution(given, after, how)
        notes.append(f"{said}; its weights are {_DONE[how]} over them for {after}")


def _take_head(named: dict[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], head: str, notes: list[str]) -> None:
    needed = {k: v for k, v in wanted.items() if k.startswith(f"{head}.")}
    given = {k: v for k, v in named.items() if k.startswith(f"{head}.")}
    if {k: v.shape for k, v in needed.items()} == {k: v.shape for k, v in given.items()}:
        return
    for key in given:
        del named[key]
    named.update(needed)
    why = (
        f"the head `{head}` of the weights has another shape and is left out"
        if given
        else (f"the weights hold no head `{head}`")
    )
    notes.append(f"{why}; the new head starts at random")


def _take_counters(named: dict[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    """Counters of batches, which older files lack or newer networks do without, say nothing about the function."""
    for key in [k for k in named if k.endswith(COUNTER) and k not in wanted]:
        del named[key]
    named.update({k: v for k, v in wanted.items() if k.endswith(COUNTER) and k not in named})
