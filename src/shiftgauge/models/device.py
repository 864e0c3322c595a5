"""Chooses where a network runs."""

import torch

from shiftgauge.errors import ModelError


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
