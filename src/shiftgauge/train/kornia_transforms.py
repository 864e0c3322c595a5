"""Random transforms of kornia by name, with arguments that are checked before a training begins."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

import torch
from torch import Tensor, nn

from shiftgauge.checks import require_in, require_range, unknown_name
from shiftgauge.errors import ConfigError, MissingExtraError
from shiftgauge.models.compat import prepare_torchvision

_OURS: Final = ("p", "keepdim")
"""Arguments of kornia that are not given by the user among the others."""
_REFUSALS: Final = (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError, AssertionError, AttributeError)
"""What kornia's arguments and PyTorch's operations raise; newer versions of kornia add an error of their own."""


@dataclass(frozen=True, kw_only=True)
class KorniaTransform:
    """One random transform of kornia.

    Args:
        name: Name of its class in `kornia.augmentation`, such as `RandomErasing`; it must keep the images' shape.
        arguments: Its arguments but `p`, as kornia names them.
        p: Chance that it acts on an image, in [0, 1].

    Raises:
        ConfigError: A chance outside its range. Name and arguments are checked by `build_transforms`.

    Example:
        >>> KorniaTransform(name="RandomErasing", arguments={"scale": [0.02, 0.15]}, p=0.3).p
        0.3
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    p: float = 0.5

    def __post_init__(self) -> None:
        require_range(f"p of {self.name}", self.p, 0, 1)
        if not isinstance(self.arguments, Mapping):
            raise ConfigError(f"`arguments` of {self.name} must map names to values, got {self.arguments!r}")
        object.__setattr__(self, "arguments", dict(self.arguments))

    def to_dict(self) -> dict[str, Any]:
        """The transform as plain values."""
        return {"name": self.name, "arguments": dict(self.arguments), "p": self.p}


def build_transforms(transforms: Sequence[KorniaTransform], image_shape: tuple[int, int, int]) -> list[nn.Module]:
    """Returns kornia's transforms, each tried once on images of the shape.

    Args:
        transforms: Names and arguments.
        image_shape: (C, H, W) of the images that they will meet.

    Raises:
        ConfigError: An unknown name or argument, a value that kornia refuses, a transform that changes the shape of
            an image or does not take this number of channels.
        MissingExtraError: kornia is not installed.

    Example:
        >>> flip = KorniaTransform(name="RandomHorizontalFlip", p=0.5)
        >>> len(build_transforms([flip], (3, 16, 16)))
        1
    """
    if not transforms:
        return []
    offered = transform_classes()
    built = []
    for transform in transforms:
        require_in("transform of kornia", transform.name, offered)
        arguments = _checked_arguments(transform, offered[transform.name])
        try:
            built.append(offered[transform.name](**arguments, p=transform.p))
            always = offered[transform.name](**arguments, p=1.0)
            with seeded(0, torch.device("cpu")), torch.no_grad():
                shape = tuple(always(torch.full((2, *image_shape), 0.5)).shape[1:])
        except _refusals() as error:
            raise ConfigError(
                f"kornia refuses `{transform.name}` with {arguments} for images {image_shape}: {_one_line(error)}"
            ) from error
        if shape != image_shape:
            raise ConfigError(
                f"`{transform.name}` makes images {shape} out of {image_shape}; give arguments that keep the shape"
            )
    return built


def transform_classes() -> dict[str, type[nn.Module]]:
    """Returns the random transforms of single images that this kornia offers, by name.

    Raises:
        MissingExtraError: kornia is not installed.

    Example:
        >>> {"RandomErasing", "ColorJitter"} <= set(transform_classes())
        True
    """
    module = _kornia()
    base = importlib.import_module("kornia.augmentation._2d.base").AugmentationBase2D
    found: dict[str, type[nn.Module]] = {}
    for name, offered in vars(module).items():
        if not name.startswith(("Random", "Color")) or not inspect.isclass(offered):
            continue
        if issubclass(offered, base) and issubclass(offered, nn.Module):
            kinds = {parameter.kind for parameter in inspect.signature(offered).parameters.values()}
            if inspect.Parameter.VAR_KEYWORD not in kinds:
                found[name] = offered
    return found


def apply_transforms(transforms: Sequence[nn.Module], images_nchw: Tensor, key: int) -> Tensor:
    """Applies transforms one after another, drawing only from the key, and clips to [0, 1].

    Args:
        transforms: From `build_transforms`.
        images_nchw: Images in [0, 1], (N, C, H, W).
        key: What the random numbers come from, in [0, 2⁶³).

    Returns:
        Images in [0, 1], a new tensor like `images_nchw`. PyTorch's own random state is as before.

    Example:
        >>> noise = build_transforms([KorniaTransform(name="RandomGaussianNoise", p=1.0)], (1, 8, 8))
        >>> images = torch.rand(2, 1, 8, 8)
        >>> bool((apply_transforms(noise, images, 7) == apply_transforms(noise, images, 7)).all())
        True
    """
    with seeded(key, images_nchw.device), torch.no_grad():
        images = images_nchw
        for transform in transforms:
            images = transform(images)
    return images.clamp(0, 1)


@contextmanager
def seeded(key: int, device: torch.device) -> Iterator[None]:
    """Sets PyTorch's global generators of the CPU and of the device, and puts them back afterwards.

    Example:
        >>> with seeded(1, torch.device("cpu")):
        ...     first = torch.rand(3)
        >>> with seeded(1, torch.device("cpu")):
        ...     bool((torch.rand(3) == first).all())
        True
    """
    on_cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_cuda else []):
        torch.default_generator.manual_seed(key)
        if on_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(key)
        yield


def _kornia() -> ModuleType:
    prepare_torchvision()
    try:
        return importlib.import_module("kornia.augmentation")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "kornia":
            raise
        raise MissingExtraError("kornia", "train", "augmentation by kornia") from error


def _refusals() -> tuple[type[Exception], ...]:
    try:
        own = importlib.import_module("kornia.core.exceptions").BaseError
    except ModuleNotFoundError:
        return _REFUSALS
    return (*_REFUSALS, own)


def _checked_arguments(transform: KorniaTransform, offered: type[nn.Module]) -> dict[str, Any]:
    known = [name for name in inspect.signature(offered).parameters if name not in _OURS]
    for name in transform.arguments:
        if name == "p":
            raise ConfigError(f"`p` of `{transform.name}` stands among its arguments; give it beside them")
        if name not in known:
            raise ConfigError(unknown_name(f"argument of {transform.name}", str(name), known))
    return {str(name): _as_tuple(value) for name, value in transform.arguments.items()}


def _as_tuple(value: Any) -> Any:
    """Lists as tuples, which is what kornia takes and YAML does not know."""
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list | tuple) else value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
