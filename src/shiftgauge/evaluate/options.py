"""How an evaluation is run: device, batch, precision and where the shifts act."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.shifts.limits import FIELD_OF_VIEW_DEG, Fill, Interpolation


@dataclass(frozen=True, kw_only=True)
class ShiftOptions:
    """How the shifts are applied.

    Args:
        fill: What lies outside the picture: `constant`, `edge` or `reflect`.
        fill_value: Grey value for `constant`, in [0, 1].
        field_of_view_deg: Angle under which the camera of tilt and pan sees the longer side, degrees in [5, 150].
        interpolation: `bilinear`, `bicubic` or `nearest`.
        order: Order of the shifts; default the camera's: scene light, geometry, optics, sensor.
        resolution: `model` shifts images already resized to the network's input (fast); `native` shifts the stored
            pixels and resizes afterwards (nearest to the camera; sizes in pixels then mean stored pixels).
    """

    fill: Fill = "constant"
    fill_value: float = 0.0
    field_of_view_deg: float = 53.0
    interpolation: Interpolation = "bilinear"
    order: Sequence[str] | None = None
    resolution: Literal["model", "native"] = "model"

    def __post_init__(self) -> None:
        require_in("fill", self.fill, get_args(Fill))
        require_in("interpolation", self.interpolation, get_args(Interpolation))
        require_in("resolution", self.resolution, ("model", "native"))
        require_range("fill_value", self.fill_value, 0, 1)
        require_range("field_of_view_deg", self.field_of_view_deg, *FIELD_OF_VIEW_DEG)


@dataclass(frozen=True, kw_only=True)
class ExecutionOptions:
    """What the user fixes of an execution; whatever is left open is chosen by a short measured trial.

    Args:
        batch_size: Images per forward pass.
        precision: `auto`, `float32` or `bfloat16`. `auto` takes bfloat16 only when every probability of a sample
            agrees with float32 within `tolerance`, and the quantity of interest differs by a root mean square of at
            most 2 % of its standard deviation under the shifts (which adds less than 0.04 % to its variance).
        channels_last: Memory layout; None lets the trial choose.
        compiled: Whether a compiled copy of the network may be used; None lets the trial choose among what is there.
        streams: Batches at a time, each on one thread; None lets the trial choose between 1 and the number of threads.
        tolerance: Largest allowed difference in probability between bfloat16 and float32, in (0, 1].
        chunk_rows: Evaluations committed at once; default 16 batches, at least 256.
        workers: Workers of a Ray cluster that share the chunks (extra `ray`); None computes in this process.
    """

    batch_size: int | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    channels_last: bool | None = None
    compiled: bool | None = None
    streams: int | None = None
    tolerance: float = 0.01
    chunk_rows: int | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.streams is not None:
            require_positive_int("streams", self.streams)
        if self.workers is not None:
            require_positive_int("workers", self.workers)
        if self.batch_size is not None:
            require_positive_int("batch_size", self.batch_size)
        if self.chunk_rows is not None:
            require_positive_int("chunk_rows", self.chunk_rows)
        require_in("precision", self.precision, ("auto", "float32", "bfloat16"))
        if not require_range("tolerance", self.tolerance, 0, 1) > 0:
            raise ConfigError("`tolerance` must be > 0; to forbid bfloat16 write precision: float32")


@dataclass(frozen=True, kw_only=True)
class BlockOptions:
    """Which blocks of a network are looked at, and how many numbers stand for each.

    Args:
        names: Module paths, such as `["layer1", "layer4.1.conv2"]`, or `auto` for those that cut the network's depth.
        directions: Random directions on which a block's output is projected, in [2, 1024]. The standard error that
            they bring falls as 1/√directions and is part of the intervals.
        pooled: Take the mean over the positions of a map first: what is then followed is how strongly each channel
            answers, and not where.
        layout: With `pooled`, which axis of a map holds the channels: `nchw` the second, `nhwc` the last; `auto` reads
            it off the layers of each block.
    """

    names: Literal["auto"] | Sequence[str] = "auto"
    directions: int = 128
    pooled: bool = False
    layout: Literal["auto", "nchw", "nhwc"] = "auto"

    def __post_init__(self) -> None:
        require_in("layout", self.layout, ("auto", "nchw", "nhwc"))
        if self.layout != "auto" and not self.pooled:
            raise ConfigError(f"`layout: {self.layout}` belongs to pooled blocks; set pooled, or leave the layout out")
        require_positive_int("directions", self.directions, low=2)
        require_range("directions", self.directions, 2, 1024)
        if isinstance(self.names, str):
            if self.names != "auto":
                raise ConfigError(f"`blocks` must be auto, none or a list of module paths, got `{self.names}`")
        elif not self.names:
            raise ConfigError("`blocks` is an empty list; name at least one block, or write auto or none")


def block_options(blocks: str | Sequence[str] | BlockOptions) -> BlockOptions | None:
    """Reads what a caller says of blocks: `none`, `auto`, module paths, or options.

    Raises:
        ConfigError: Another word.

    Example:
        >>> block_options("none"), block_options(["layer1"]).names
        (None, ['layer1'])
    """
    if isinstance(blocks, BlockOptions):
        return blocks
    return None if blocks == "none" else BlockOptions(names=blocks)  # type: ignore[arg-type]
