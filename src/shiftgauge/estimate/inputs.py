"""The inputs of an audit: the image, what shifts it, and the realisation of random shifts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space
from shiftgauge.types import FloatArray, ThetaNP, UnitNP

IMAGE: Final = "image"
"""Name of the input that stands for the choice of the image."""
REPEAT: Final = "repeat"
"""Name of the input that stands for the realisation of random shifts."""


@dataclass(frozen=True, kw_only=True)
class DesignRows:
    """A run of consecutive rows of a design, ready to be evaluated.

    Args:
        unit: Points of the unit cube (n, n_inputs); the column of `repeat` holds 0.5.
        image: Index of the image, int64 (n,); zeros when the image is no input.
        theta: Physical values of all parameters of the space (n, n_parameters).
        stream: Number of the noise realisation, int64 (n,).
    """

    unit: UnitNP
    image: np.ndarray
    theta: ThetaNP
    stream: np.ndarray

    def __len__(self) -> int:
        return len(self.unit)


class NamedRows(Protocol):
    """Any design, as far as its values are checked: how many rows it has, and what to call each."""

    @property
    def n_rows(self) -> int:
        """Number of evaluations."""
        ...

    def row_name(self, row: int) -> str:
        """Where a row stands in the design, for messages."""
        ...


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the classifier's output is a function of, in the fixed order image, parameters, repeat.

    Args:
        space: The shift parameters, or their plain form {name: distribution}; those that are fixed are no inputs.
        n_images: Number of images to draw from, each equally likely. With 0 or 1 the image is no input.
        repeat: Whether the realisation of random shifts is an input (repeatability).

    Raises:
        ConfigError: A parameter bears a reserved name, or `n_images` is no whole number ≥ 0.

    Example:
        >>> space = Space([Parameter(name="tilt", distribution="uniform", options={"low": -20, "high": 20})])
        >>> Inputs(space=space, n_images=12, repeat=True).names
        ('image', 'tilt', 'repeat')
    """

    space: Space
    n_images: int = 0
    repeat: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "space", as_space(self.space))
        require_positive_int("n_images", self.n_images, low=0)
        for reserved, used in ((IMAGE, self.has_image), (REPEAT, self.repeat)):
            if used and reserved in self.space.names:
                raise ConfigError(f"`{reserved}` names an input of its own here; give the parameter another name")

    @property
    def has_image(self) -> bool:
        """Whether the image is an input (two images or more)."""
        return self.n_images > 1

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return (IMAGE,) * self.has_image + self.space.varying_names + (REPEAT,) * self.repeat

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return len(self.names)

    @property
    def n_unit(self) -> int:
        """Number of inputs that are drawn from the unit cube: all but `repeat`."""
        return self.n_inputs - self.repeat

    @property
    def parameters(self) -> tuple[Parameter | None, ...]:
        """The parameter behind each input; None for the image and the realisation."""
        varying = tuple(self.space.parameters[i] for i in self.space.varying)
        return (None,) * self.has_image + varying + (None,) * self.repeat

    @property
    def shift_columns(self) -> slice:
        """The columns that belong to the shift parameters."""
        return slice(int(self.has_image), int(self.has_image) + self.space.n_varying)

    def rows(self, unit_np: UnitNP, stream_n: np.ndarray) -> DesignRows:
        """Turns points of the unit cube (n, n_inputs) into what is evaluated there."""
        theta = self.space.to_physical(unit_np[:, self.shift_columns])
        return DesignRows(unit=unit_np, image=self.image_index(unit_np), theta=theta, stream=stream_n)

    def image_index(self, unit_np: UnitNP) -> np.ndarray:
        """Index of the image of each point, ⌊u·n_images⌋, int64 (n,)."""
        if not self.has_image:
            return np.zeros(len(unit_np), np.int64)
        return np.minimum((unit_np[:, 0] * self.n_images).astype(np.int64), self.n_images - 1)

    def coordinates(self, unit_np: UnitNP) -> FloatArray:
        """Independent coordinates (n, n_inputs): image index, each marginal's own quantile, 0 for `repeat`.

        Without correlation these are the physical values. With it they are the values that the
        independent coordinates of the copula would have, which is what indices can be attributed to.
        """
        out = np.zeros((len(unit_np), self.n_inputs))
        for column, parameter in enumerate(self.parameters):
            if parameter is not None:
                out[:, column] = parameter.ppf(unit_np[:, column])
        if self.has_image:
            out[:, 0] = self.image_index(unit_np)
        return out


def as_space(space: Space | Mapping[str, Any]) -> Space:
    """Returns a space, from its plain form where it is given so.

    Raises:
        SpaceError: Neither a space nor a mapping, or a malformed one.
        ConfigError: `Inputs`, where only the parameters are wanted.
    """
    if isinstance(space, Inputs):
        raise ConfigError("`space` must be a Space or a mapping, got Inputs; give its `space`")
    return space if isinstance(space, Space) else Space.from_dict(space)


def as_inputs(inputs: "Inputs | Space | Mapping[str, Any]") -> Inputs:
    """Returns the inputs of a design, also from a space or its plain form.

    Example:
        >>> as_inputs({"tilt": [-20, 20]}).names
        ('tilt',)
    """
    return inputs if isinstance(inputs, Inputs) else Inputs(space=as_space(inputs))


def check_span(start: int, stop: int, n_rows: int) -> None:
    """Checks that the rows [start, stop) lie in a design of so many rows.

    Raises:
        ConfigError: They do not.
    """
    if not 0 <= start <= stop <= n_rows:
        raise ConfigError(f"rows [{start}, {stop}) are outside the design, which has {n_rows} rows")
