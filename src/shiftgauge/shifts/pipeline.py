"""The pipeline of shifts: rows of parameter values → a batch of transformed images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, get_args

import numpy as np
import torch
from torch import Tensor

from shiftgauge.checks import require_in, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.random import check_seed
from shiftgauge.shifts import geometric, optical
from shiftgauge.shifts.catalog import CATALOG, check_names, get
from shiftgauge.shifts.limits import FIELD_OF_VIEW_DEG, Fill, Interpolation
from shiftgauge.shifts.steps import STEPS, Rows

_VALUES_AT_ONCE: Final = 1 << 20
"""Pixel values worked on together on a CPU: few enough to stay in its cache."""
_FINEST: Final = 0.17
"""Smoothing by less than this many pixels changes no float32 value."""


class ShiftPipeline:
    """Applies named shifts, one value per image and shift.

    The order is the camera's (scene light, geometry, optics, sensor; within a stage the catalogue's order) unless
    `order` is given. All geometric shifts of a row make one homography and one resampling. Rows at the identity
    come back bit for bit, and a row's outcome does not depend on the rows beside it.

    Args:
        names: Names of the shifts: the columns of `theta_np`.
        fill: What lies outside the picture: `constant`, `edge` or `reflect`.
        fill_value: The constant, in [0, 1].
        field_of_view_deg: Angle under which the pinhole camera sees the longer side, degrees in [5, 150].
        interpolation: `bilinear`, `bicubic` or `nearest`.
        order: The shifts (without companions such as an angle) in the order in which they act.
        seed: Seed of the random shifts, ≥ 0.

    Raises:
        ConfigError: An unknown, repeated or incomplete name, or an option outside its range.

    Example:
        >>> pipeline = ShiftPipeline(["rotation", "brightness"])
        >>> images = torch.rand(2, 3, 16, 16)
        >>> shifted = pipeline(images, torch.tensor([[0.0, 1.0], [90.0, 0.5]]), torch.zeros(2, dtype=torch.int64))
        >>> bool((shifted[0] == images[0]).all()), tuple(shifted.shape)
        (True, (2, 3, 16, 16))
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        fill: str = "constant",
        fill_value: float = 0.0,
        field_of_view_deg: float = 53.0,
        interpolation: str = "bilinear",
        order: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.names = tuple(names)
        check_names(self.names)
        self.fill = require_in("fill", fill, get_args(Fill))
        self.fill_value = require_range("fill_value", fill_value, 0, 1)
        self.field_of_view_deg = require_range("field_of_view_deg", field_of_view_deg, *FIELD_OF_VIEW_DEG)
        self.interpolation = require_in("interpolation", interpolation, get_args(Interpolation))
        self.order = _order(self.names, order)
        self.seed = check_seed(seed)

    @property
    def is_random(self) -> bool:
        """Whether outcomes depend on the stream numbers."""
        return any(get(name).random and not self._is_settled(name) for name in self.names)

    def _is_settled(self, name: str) -> bool:
        """Whether companions fix all that the shift would draw."""
        settling = [other.name for other in CATALOG.values() if other.settles and other.companion_of == name]
        return bool(settling) and all(other in self.names for other in settling)

    @property
    def is_differentiable(self) -> bool:
        """Whether gradients flow to every parameter."""
        smooth = all(get(name).differentiable for name in self.names)
        bent = self.interpolation == "nearest" and any(get(name).stage == "geometry" for name in self.names)
        return smooth and not bent

    def describe(self) -> dict[str, Any]:
        """Returns everything that decides an outcome, JSON-able, for the record and its hash."""
        return {
            "names": list(self.names),
            "order": list(self.order),
            "fill": self.fill,
            "fill_value": self.fill_value,
            "field_of_view_deg": self.field_of_view_deg,
            "interpolation": self.interpolation,
            "seed": self.seed if self.is_random else None,
        }

    def __call__(self, images_nchw: Tensor, theta_np: Tensor, streams_n: Tensor) -> Tensor:
        """Transforms a batch.

        Args:
            images_nchw: Images in [0, 1], (N, C, H, W) float32 or float64, on any device. Rows may share memory.
            theta_np: One row of values per image, (N, P), columns as `names`.
            streams_n: Stream number of each row, (N,) int64: which realisation of the noise it gets.

        Returns:
            Images in [0, 1], like `images_nchw`; the input is never changed.

        Raises:
            ConfigError: Wrong shapes, a value outside its valid range, or a colour shift on images without three
                channels.
        """
        self._check(images_nchw, theta_np, streams_n)
        rows = Rows(names=self.names, theta_np=theta_np.double().cpu(), streams_n=streams_n.cpu(), seed=self.seed)
        if torch.is_grad_enabled() and (images_nchw.requires_grad or theta_np.requires_grad):
            self._check_differentiable()
            return self._apply(images_nchw, rows, keep_graph=True)
        with torch.no_grad():
            if images_nchw.device.type != "cpu":
                shifted = self._apply(images_nchw, rows)
                return shifted.clone() if shifted is images_nchw else shifted
            shifted = torch.empty(images_nchw.shape, dtype=images_nchw.dtype)
            step = _rows_at_once(images_nchw)
            for start in range(0, len(images_nchw), step):
                few = slice(start, start + step)
                shifted[few] = self._apply(images_nchw[few], _take(rows, few))
            return shifted

    def _apply(self, images: Tensor, rows: Rows, keep_graph: bool = False) -> Tensor:
        values = rows.theta_np.detach().numpy()
        warped = False
        for name in self.order:
            columns = [self.names.index(name)]
            if get(name).stage == "geometry":
                if warped:
                    continue
                warped, columns = True, [self.names.index(other) for other in self._geometric]
            identity = np.array([get(self.names[column]).identity for column in columns])
            active = torch.from_numpy((values[:, columns] != identity).any(axis=1))
            images = self._on_rows(name, images, rows, active, keep_graph)
        return images

    def _on_rows(self, name: str, images: Tensor, rows: Rows, active: Tensor, keep_graph: bool) -> Tensor:
        """Applies one step to the active rows and leaves the others as they are."""
        step = self._warp if get(name).stage == "geometry" else STEPS[name]
        if keep_graph:
            # A row at the identity keeps its bits, and the gradient of the step there.
            changed = step(images, rows)
            same = images.detach() + (changed - changed.detach())
            return torch.where(active.to(images.device)[:, None, None, None], changed, same)
        if not active.any():
            return images
        if active.all():
            return step(images, rows)
        changed, where = images.clone(), active.nonzero().flatten()
        there = where.to(images.device)
        changed[there] = step(images[there], _take(rows, where))
        return changed

    @property
    def _geometric(self) -> list[str]:
        return [name for name in self.order if get(name).stage == "geometry"]

    def _warp(self, images: Tensor, rows: Rows) -> Tensor:
        height, width = images.shape[-2:]
        columns = [self.names.index(name) for name in self._geometric]
        matrix = geometric.homography(self._geometric, rows.theta_np[:, columns], height, width, self.field_of_view_deg)
        if "scale" in self.names:
            sigma_n = geometric.minification_sigma(rows.value("scale"))
            coarse = sigma_n > _FINEST
            if coarse.any():
                smooth = optical.gaussian_blur(images, sigma_n)
                images = torch.where(coarse.to(images.device)[:, None, None, None], smooth, images)
        return geometric.warp(
            images, matrix, fill=self.fill, fill_value=self.fill_value, interpolation=self.interpolation
        )

    def _check(self, images: Tensor, theta: Tensor, streams: Tensor) -> None:
        if images.ndim != 4 or images.dtype not in (torch.float32, torch.float64):
            raise ConfigError(
                "images must be float32 with axes (image, channel, row, column), "
                f"got {images.dtype} {tuple(images.shape)}"
            )
        count = len(images)
        if tuple(theta.shape) != (count, len(self.names)):
            raise ConfigError(f"theta must have shape {(count, len(self.names))}, got {tuple(theta.shape)}")
        if tuple(streams.shape) != (count,) or streams.dtype != torch.int64:
            raise ConfigError(f"streams must be int64 of shape {(count,)}, got {streams.dtype} {tuple(streams.shape)}")
        self._check_channels(images.shape[1])
        values = theta.detach().cpu().double().numpy()
        for column, name in enumerate(self.names):
            shift = get(name)
            bad = ~((values[:, column] >= shift.low) & (values[:, column] <= shift.high))
            if bad.any():
                row = int(bad.argmax())
                shift.check(float(values[row, column]), f"in row {row}")

    def _check_differentiable(self) -> None:
        if self.is_differentiable:
            return
        rough = [name for name in self.names if not get(name).differentiable] or ["nearest interpolation"]
        raise ConfigError(
            f"`{rough[0]}` has no useful gradient, and gradients are asked for; "
            "leave it out, or call without gradients (torch.no_grad)"
        )

    def _check_channels(self, channels: int) -> None:
        for name in self.names:
            wanted = get(name).channels
            if wanted is not None and channels != wanted:
                raise ConfigError(
                    f"`{name}` needs images with {wanted} channels, these have {channels}; leave `{name}` out"
                )


def _take(rows: Rows, where: Tensor | slice) -> Rows:
    return replace(rows, theta_np=rows.theta_np[where], streams_n=rows.streams_n[where])


def _rows_at_once(images_nchw: Tensor) -> int:
    """A multiple of the threads, because torch resamples one image on one thread."""
    threads = torch.get_num_threads()
    return -(-max(_VALUES_AT_ONCE // max(images_nchw[:1].numel(), 1), 1) // threads) * threads


def _order(names: tuple[str, ...], order: Sequence[str] | None) -> tuple[str, ...]:
    """The main shifts in the order in which they act."""
    mains = [name for name in CATALOG if name in names and not get(name).companion_of]
    if order is None:
        return tuple(mains)
    given = tuple(order)
    for name in given:
        get(name)
    if sorted(given) != sorted(mains):
        raise ConfigError(f"`order` must name each of {', '.join(mains)} once, got {', '.join(given) or 'nothing'}")
    places = [k for k, name in enumerate(given) if get(name).stage == "geometry"]
    if places and places[-1] - places[0] >= len(places):
        raise ConfigError(
            f"`order` must keep the geometric shifts together, because they are one resampling; got {', '.join(given)}"
        )
    return given
