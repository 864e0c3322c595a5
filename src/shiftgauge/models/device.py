"""Chooses where a network runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from shiftgauge.errors import ModelError

_WITHOUT_FLOAT64 = ("mps",)


def choose_device(wanted: str | torch.device | None = None) -> torch.device:
    """Returns the device to use: the wanted one, else cuda, else mps, else cpu.

    Args:
        wanted: `cpu`, `cuda`, `cuda:1`, `mps`, a torch device, or None or `auto` to choose.

    Raises:
        ModelError: The device is unknown or not available on this machine.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if wanted is None or wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except (RuntimeError, TypeError) as error:
        raise ModelError(f"unknown device `{wanted}`; allowed are auto, cpu, cuda, cuda:N, mps") from error
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        usable = ", ".join(name for name, there in available.items() if there)
        raise ModelError(f"device `{wanted}` is not available here; usable: {usable}")
    return device


def with_float64(device: torch.device) -> torch.device:
    """The device itself, or the CPU in place of one that has no float64 (Apple's mps).

    Example:
        >>> with_float64(torch.device("cuda")), with_float64(torch.device("mps"))
        (device(type='cuda'), device(type='cpu'))
    """
    return torch.device("cpu") if device.type in _WITHOUT_FLOAT64 else device


@contextmanager
def full_precision() -> Iterator[None]:
    """Keeps convolutions and matrix products on a GPU in float32 inside a block.

    GPUs of NVIDIA's Ampere generation and later round the factors of convolutions to 10 bits (TF32) unless told not to.
    What a small push changes of a deep block is then lost, and a derivative is off by up to some per cent. Without such
    a GPU nothing is switched.

    Example:
        >>> with full_precision():
        ...     float(torch.ones(2) @ torch.ones(2))
        2.0
    """
    switches = tf32_switches()
    before = [setting for switch in switches for setting in _precision_of(switch)]
    try:
        for switch in switches:
            switch.allow_tf32 = False
        yield
    finally:
        for part, name, value in before:
            setattr(part, name, value)


def tf32_switches() -> tuple[Any, ...]:
    """Where PyTorch keeps the switches of TF32; none without a GPU that could have it."""
    return (torch.backends.cudnn, torch.backends.cuda.matmul) if torch.cuda.is_available() else ()


def _precision_of(switch: Any) -> list[tuple[Any, str, Any]]:
    """What to set to have the present precision again: torch 2.9 and later know a switch for each kind of layer."""
    try:
        return [(switch, "allow_tf32", switch.allow_tf32)]
    except RuntimeError:  # set by the newer switches, of which the older one knows nothing
        parts = [part for name in ("conv", "rnn") if (part := getattr(switch, name, None)) is not None] or [switch]
        return [(part, "fp32_precision", part.fp32_precision) for part in parts]
