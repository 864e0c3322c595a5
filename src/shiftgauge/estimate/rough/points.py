"""What a residual surrogate sees of a point: standard coordinates of the parameters, and the image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shiftgauge.estimate.chaos.basis import Basis, TableBasis
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.types import FloatArray

_MOST_LEVELS = 255


@dataclass(frozen=True, kw_only=True, eq=False)
class ResidualPoints:
    """Columns that a residual surrogate is fitted to.

    The image's number comes first, as a category, where there are at most 255 images; then the image's features, where
    some were given; then φ_1 of every parameter, which has mean 0 and variance 1 whatever the marginal. The
    realisation of noise is no column: the surrogate averages over it.

    Args:
        inputs: Of the design.
        bases: One per input.
        with_features: Whether features of the images were given.

    Example:
        >>> from shiftgauge.estimate.chaos.basis import input_bases
        >>> from shiftgauge.estimate.reference import ISHIGAMI
        >>> inputs = Inputs(space=ISHIGAMI.space)
        >>> points = ResidualPoints(inputs=inputs, bases=input_bases(inputs, None, 0), with_features=False)
        >>> points.matrix(np.full((1, 3), np.pi)).round(3).tolist()
        [[1.732, 1.732, 1.732]]
    """

    inputs: Inputs
    bases: Sequence[Basis]
    with_features: bool

    @property
    def categorical(self) -> tuple[int, ...]:
        """Columns that hold a category."""
        return (0,) if self.inputs.has_image and self.inputs.n_images <= _MOST_LEVELS else ()

    @property
    def n_metric(self) -> int:
        """Number of columns that belong to parameters, the last ones."""
        return self.inputs.shift_columns.stop - self.inputs.shift_columns.start

    def matrix(self, coordinates: FloatArray) -> FloatArray:
        """The columns (n, k) at points given by `Inputs.coordinates` (n, d)."""
        columns: list[FloatArray] = []
        if self.categorical:
            columns.append(coordinates[:, :1])
        image = self.bases[0]
        if self.inputs.has_image and self.with_features and isinstance(image, TableBasis):
            columns.append(image.evaluate(coordinates[:, 0], image.n_functions - 1)[1:].T)
        for i in range(len(self.bases))[self.inputs.shift_columns]:
            columns.append(self.bases[i].evaluate(coordinates[:, i], 1)[1:].T)
        return np.hstack(columns) if columns else np.empty((len(coordinates), 0))
