"""Reads weights without running code, and puts them into a network."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from shiftgauge.errors import ModelError

_CONTAINERS = ("state_dict", "model_state_dict", "model", "net", "weights", "params")
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "encoder.")
_SHOWN = 3
COUNTER = "num_batches_tracked"
"""How the names of the counters of batch normalisation end; they say nothing about the function."""


def read_weights(path: str | Path, *, trust: bool = False) -> dict[str, torch.Tensor]:
    """Reads named tensors from a safetensors file or a PyTorch state dict.

    A PyTorch file is a pickle, which can run any code when it is opened. It is read with
    `weights_only=True`, which allows tensors and plain containers alone; a file that needs more is
    refused unless it is trusted. Checkpoints that keep the tensors under `state_dict`, `model`,
    `model_state_dict` and the like are understood.

    Args:
        path: A `.safetensors` file, or a file written by `torch.save`.
        trust: Open a pickle that would run code. Only for files whose origin is known.

    Raises:
        ModelError: The file is missing, damaged, would run code, or holds no named tensors.

    References:
        PyTorch documentation, "torch.load", section on `weights_only`.
    """
    file = Path(path)
    if not file.is_file():
        raise ModelError(f"weights file {file} does not exist")
    if file.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(file)
        except (safetensors.SafetensorError, OSError) as error:
            raise ModelError(f"{file} is not a readable safetensors file: {one_line(error)}") from error
    return _named_tensors(_load_pickle(file, trust), file)


def load_weights(module: nn.Module, tensors: Mapping[str, torch.Tensor], source: str = "the weights") -> str:
    """Copies named tensors into a network, after removing a prefix that wrappers add.

    `module.` (DataParallel), `_orig_mod.` (torch.compile), `model.`, `net.` (Lightning) and the
    like are removed when, and only when, more names fit without them.

    Args:
        module: The network; changed in place.
        tensors: Named tensors.
        source: What the message calls the weights.

    Returns:
        The prefix that was removed, `""` for none.

    Raises:
        ModelError: Names are missing or left over, or shapes differ; at most three are listed.

    Example:
        >>> net = nn.Linear(2, 2)
        >>> load_weights(net, {f"module.{k}": v for k, v in net.state_dict().items()})
        'module.'
    """
    wanted = module.state_dict()
    prefix, named = best_names(wanted, tensors)
    if reason := misfit(named, wanted):
        raise ModelError(f"{source} does not fit the network: {reason}")
    module.load_state_dict({k: v for k, v in named.items() if k in wanted}, strict=False)
    return prefix


def misfit(named: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> str:
    """Says why named tensors do not fit a network, `""` where they do; at most three names are listed.

    Args:
        named: Named tensors.
        wanted: The network's state dict. Counters of batches may be missing or left over.
    """
    missing = [k for k in wanted if k not in named and not k.endswith(COUNTER)]
    extra = [k for k in named if k not in wanted and not k.endswith(COUNTER)]
    if missing or extra:
        parts = [f"lacks {_short(missing)}"] * bool(missing) + [f"has unknown {_short(extra)}"] * bool(extra)
        return f"it {' and '.join(parts)}; check the name and arguments"
    wrong = [k for k in wanted if k in named and named[k].shape != wanted[k].shape]
    if not wrong:
        return ""
    k = wrong[0]
    return (
        f"`{k}` has the shape {tuple(named[k].shape)}, the network needs {tuple(wanted[k].shape)} "
        f"({len(wrong)} differ); check num_classes and the channels"
    )


def load_weights_in_order(module: nn.Module, tensors: Mapping[str, torch.Tensor], source: str = "the weights") -> None:
    """Copies tensors into a network by position: for the same architecture under other names.

    Args:
        module: The network; changed in place.
        tensors: As many tensors as the network has entries in its state dict, of the same shapes in
            the same order.
        source: What the message calls the weights.

    Raises:
        ModelError: The counts differ, or the shapes at a position differ.

    Example:
        >>> a, b = nn.Linear(2, 2), nn.Linear(2, 2)
        >>> load_weights_in_order(a, {f"other_{k}": v for k, v in b.state_dict().items()})
        >>> bool((a.weight == b.weight).all())
        True
    """
    wanted = module.state_dict()
    if len(wanted) != len(tensors):
        raise ModelError(
            f"{source} holds {len(tensors)} tensors, the network has {len(wanted)}; they cannot be matched in order"
        )
    for (name, there), (other, given) in zip(wanted.items(), tensors.items(), strict=True):
        if there.shape != given.shape:
            raise ModelError(
                f"{source} does not fit the network in order: `{other}` {tuple(given.shape)} "
                f"stands where `{name}` {tuple(there.shape)} is needed"
            )
    module.load_state_dict(dict(zip(wanted, tensors.values(), strict=True)))


def load_pickle(file: Path | IO[bytes]) -> Any:
    """Reads a PyTorch file with `weights_only=True`, without the remark on other pickle protocols.

    Raises:
        pickle.UnpicklingError: The file needs more than tensors and plain containers.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
        return torch.load(file, map_location="cpu", weights_only=True)


def one_line(error: BaseException, limit: int = 200) -> str:
    """Returns the first line of an error's text, cut to a length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _load_pickle(file: Path, trust: bool) -> Any:
    try:
        return load_pickle(file) if not trust else torch.load(file, map_location="cpu", weights_only=False)
    except pickle.UnpicklingError as error:
        if trust:
            raise ModelError(f"{file} is not a file that torch.save wrote: {one_line(error)}") from error
        needs = f"it needs `{found}`" if (found := _refused_name(str(error))) else "it is not a plain state dict"
        raise ModelError(
            f"{file} is a pickle that can run code when opened ({needs}); save the state dict as safetensors, "
            "or pass --trust (trust=True) if you know who made it"
        ) from error
    except (
        RuntimeError,
        EOFError,
        OSError,
        zipfile.BadZipFile,
        ValueError,
        KeyError,
        AttributeError,
        ImportError,
    ) as error:
        raise ModelError(f"{file} is not a readable weights file: {one_line(error)}") from error


def _refused_name(message: str) -> str:
    for marker in ("GLOBAL ", "Unsupported global: GLOBAL ", "Unsupported class "):
        if marker in message:
            return message.split(marker, 1)[1].split()[0].rstrip(".,")
    return ""


def _named_tensors(content: Any, file: Path) -> dict[str, torch.Tensor]:
    if isinstance(content, nn.Module):
        return dict(content.state_dict())
    if isinstance(content, Mapping):
        tensors = {str(k): v for k, v in content.items() if isinstance(v, torch.Tensor)}
        if tensors:
            return tensors
        for key in _CONTAINERS:
            if isinstance(content.get(key), (Mapping, nn.Module)):
                return _named_tensors(content[key], file)
    raise ModelError(f"{file} holds no named tensors; save the network's state_dict()")


def best_names(
    wanted: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> tuple[str, Mapping[str, torch.Tensor]]:
    """Removes the prefixes that wrappers add, as long as more names fit without them.

    Args:
        wanted: The names of the network's state dict.
        tensors: Named tensors.

    Returns:
        The prefix that was removed, `""` for none, and the tensors by their shorter names.

    Example:
        >>> best_names({"weight": 0}, {"model.weight": torch.zeros(1)})[0]
        'model.'
    """
    best, removed, named = _hits(wanted, tensors), "", tensors
    improved = True
    while improved and best < len(wanted):
        improved = False
        for prefix in _PREFIXES:
            stripped = {k.removeprefix(prefix): v for k, v in named.items()}
            if len(stripped) == len(named) and (hits := _hits(wanted, stripped)) > best:
                best, removed, named, improved = hits, removed + prefix, stripped, True
                break
            twice = {k.removeprefix(prefix): v for k, v in named.items() if k.startswith(prefix)}
            if twice and len(twice) == len(named) and any(k.startswith(_PREFIXES) for k in twice):
                inner, deeper = best_names(wanted, twice)
                if _hits(wanted, deeper) > best:
                    return removed + prefix + inner, deeper
    return removed, named


def _hits(wanted: Mapping[str, Any], names: Mapping[str, Any]) -> int:
    return sum(k in wanted for k in names)


def _short(names: list[str]) -> str:
    shown = ", ".join(f"`{n}`" for n in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
