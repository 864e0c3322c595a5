"""What a layer is: an output from an input, and the gradients of both, each written out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

from torch import Tensor

from shiftgauge.checks import require_positive_int
from shiftgauge.engine.workspace import Shape, Workspace
from shiftgauge.errors import ConfigError, DataError


class Layer(ABC):
    """One step of a network, y = f(x; w), and its gradients.

    With L the loss, `backward` is given ∂L/∂y and returns ∂L/∂x = (∂y/∂x)ᵀ ∂L/∂y. On the way it adds
    ∂L/∂w = (∂y/∂w)ᵀ ∂L/∂y to the gradients that the workspace holds; adding lets a batch come in parts.

    Images between layers have axes (image, row, column, channel): the channels of a pixel lie side by side, which
    makes an image a matrix (pixel, channel) that a matrix product can take as it is.

    Rules of memory: a layer never writes over the gradient that it is given. It writes over its input only where the
    workspace says `may_overwrite`, and may then put ∂L/∂x into the same place.

    Attributes:
        parameters: What is learned: name → tensor.
        buffers: What is kept with the parameters but not learned, such as running means.
    """

    keeps_output: ClassVar[bool] = False
    """Whether backward reads the output again, so that the next layer must not write over it."""
    mixes_images: ClassVar[bool] = False
    """Whether an image's output depends on the others of its batch while training."""

    def __init__(self) -> None:
        self.parameters: dict[str, Tensor] = {}
        self.buffers: dict[str, Tensor] = {}

    @property
    def children(self) -> Mapping[str, Layer]:
        """The layers within this one, by name."""
        return {}

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Shape of the output of one image, (C, H, W) or (F,), from that of its input.

        Raises:
            ConfigError: The layer does not take an input of that shape.
        """

    @abstractmethod
    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """Returns y, and notes in the workspace what `backward` needs where the mode asks for it."""

    @abstractmethod
    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """Takes ∂L/∂y, adds ∂L/∂w to the gradients and returns ∂L/∂x.

        Where the workspace does not want ∂L/∂x, what is returned has no meaning.
        """

    def frees_output(self, input_free: bool, ws: Workspace) -> bool:
        """Whether the next layer may write over the output."""
        return not (self.keeps_output and ws.mode.keep)


def walk(layer: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """Yields a layer and all layers within it, each with its path (`""` or ending in a dot), in order."""
    yield path, layer
    for name, inner in layer.children.items():
        yield from walk(inner, f"{path}{name}.")


def named_parameters(layer: Layer) -> dict[str, Tensor]:
    """Path → parameter, of a layer and all layers within it, in order.

    Example:
        >>> from shiftgauge.engine.linear import Linear
        >>> {name: tuple(value.shape) for name, value in named_parameters(Linear(3, 2)).items()}
        {'weight': (3, 2), 'bias': (2,)}
    """
    return {path + name: value for path, inner in walk(layer) for name, value in inner.parameters.items()}


def require_map(name: str, shape: Shape, channels: int | None = None) -> tuple[int, int, int]:
    """Returns (C, H, W) when the shape is that of an image or feature map, with that many channels where given.

    Raises:
        ConfigError: It is another shape.
    """
    if len(shape) != 3 or (channels is not None and shape[0] != channels):
        wanted = "(C, H, W)" if channels is None else f"({channels}, H, W)"
        raise ConfigError(f"{name} takes maps of shape {wanted}, got {shape}; check the layer before it")
    return shape[0], shape[1], shape[2]


def require_channels(name: str, x: Tensor, channels: int, axes: int) -> None:
    """Checks that a batch has so many axes, the last of that length.

    Raises:
        DataError: It has another shape.
    """
    if x.ndim != axes or x.shape[-1] != channels:
        wanted = "(N, H, W, " if axes == 4 else "(N, "
        raise DataError(f"{name} takes a batch of shape {wanted}{channels}), got {tuple(x.shape)}")


def window_count(name: str, size: int, kernel: int, stride: int, padding: int) -> int:
    """Number of windows along an axis, ⌊(size + 2 padding − kernel) / stride⌋ + 1.

    Raises:
        ConfigError: The window is larger than the padded map.
    """
    if size + 2 * padding < kernel:
        raise ConfigError(
            f"{name} has a window of {kernel}, but the map has {size} pixels and {padding} of padding on each side; "
            "use a smaller window, more padding or less pooling before it"
        )
    return (size + 2 * padding - kernel) // stride + 1


def require_window(kernel: int, stride: int, padding: int) -> None:
    """Checks the numbers of a window.

    Raises:
        ConfigError: One of them is no whole number or too small.
    """
    require_positive_int("kernel_size", kernel)
    require_positive_int("stride", stride)
    require_positive_int("padding", padding, low=0)
