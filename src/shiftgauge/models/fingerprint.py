"""Content hashes of networks, files and functions."""

import inspect
import re
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

import numpy as np
import torch
from torch import nn

from shiftgauge.files import hash_array, hash_bytes, hash_json

LIMITS = (
    "covers the source code, defaults and captured values of the function itself, not the code it calls; "
    "give `fingerprint` to say what it computes"
)
"""What the fingerprint of an arbitrary callable cannot see."""


def hash_tensors(tensors: Mapping[str, torch.Tensor]) -> str:
    """Returns the hash of named tensors: names, types, shapes and values, in the order of names."""
    parts: list[bytes] = []
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        parts += [name.encode(), str(value.dtype).encode(), str(tuple(value.shape)).encode()]
        parts.append(value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    return hash_bytes(*parts)


def hash_module(module: nn.Module) -> str:
    """Returns the hash of a network: its weights, its structure and the code of its own classes.

    The code of torch's and timm's layers is not included: their versions stand in the record of a run.

    Example:
        >>> a, b = nn.Linear(2, 2), nn.Linear(2, 2)
        >>> hash_module(a) == hash_module(a), hash_module(a) == hash_module(b)
        (True, False)
    """
    own = {type(m) for m in module.modules() if not type(m).__module__.startswith(("torch.", "timm.", "torchvision."))}
    sources = sorted(f"{cls.__qualname__}:{source_of(cls)}" for cls in own)
    structure = re.sub(r"0x[0-9a-f]+", "", repr(module))
    return hash_json([hash_tensors(module.state_dict()), structure, sources])


def hash_callable(function: Callable[..., Any]) -> str:
    """Returns the best hash of a callable that can be made without pickling it (see `LIMITS`)."""
    return hash_json(_facts(function, depth=0))


def source_of(thing: Any) -> str:
    """Returns the source code of a class's methods or of a function, with its name and constants."""
    name = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', type(thing).__qualname__)}"
    if inspect.isclass(thing):
        own = {k: getattr(v, "__func__", v) for k, v in vars(thing).items()}
        methods = [f"{k}: {source_of(v)}" for k, v in sorted(own.items()) if inspect.isfunction(v)]
        return "\n".join([name, *(base.__qualname__ for base in thing.__bases__), *methods])
    try:
        text = inspect.getsource(thing)
    except (OSError, TypeError):
        text = name
    return text + _constants(thing.__code__) if inspect.isfunction(thing) else text


def _constants(code: CodeType) -> str:
    """Bytecode and constants: they tell two lambdas of one line apart."""
    inner = [_constant(c) for c in code.co_consts]
    return " ".join([code.co_code.hex(), *code.co_names, *inner])


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _constants(value)
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


def _facts(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray) and value.dtype != object:
        return ["array", hash_array(value)]
    if isinstance(value, torch.Tensor):
        return ["tensor", hash_tensors({"": value})]
    if isinstance(value, nn.Module):
        return ["module", hash_module(value)]
    if depth > 4:
        return ["deep", type(value).__qualname__]
    if isinstance(value, Mapping):
        return ["mapping", sorted((str(k), _facts(v, depth + 1)) for k, v in value.items())]
    if isinstance(value, (list, tuple)):
        return ["sequence", [_facts(v, depth + 1) for v in value]]
    if isinstance(value, (set, frozenset)):
        return ["set", sorted(map(repr, value))]
    return _callable_facts(value, depth)


def _callable_facts(value: Any, depth: int) -> Any:
    if inspect.ismethod(value):
        return ["method", value.__func__.__qualname__, _facts(value.__self__, depth + 1)]
    if inspect.isfunction(value):
        captured = inspect.getclosurevars(value)
        plain = {k: v for k, v in captured.globals.items() if not inspect.ismodule(v) and not inspect.isclass(v)}
        values = {**captured.nonlocals, **plain, "defaults": value.__defaults__, "keywords": value.__kwdefaults__}
        return ["function", value.__qualname__, source_of(value), _facts(values, depth + 1)]
    if inspect.isbuiltin(value) or inspect.isclass(value):
        return ["named", source_of(value)]
    state = getattr(value, "__dict__", {})
    return ["object", source_of(type(value)), _facts(dict(state), depth + 1)]
