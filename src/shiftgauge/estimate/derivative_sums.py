"""What derivative-based bounds keep of values and gradients: three sums for each output, input and replicate."""

import numpy as np

from shiftgauge.errors import DataError, NumericalError
from shiftgauge.estimate.poincare import stein_kernel
from shiftgauge.estimate.resampling import Grouping
from shiftgauge.estimate.values import OnFailure, number_array, require_magnitude
from shiftgauge.space import Space
from shiftgauge.types import FloatArray, OutputsNQ, ThetaNP


class DerivativeSums:
    """Sums over replicates, so that memory does not grow with the number of gradients.

    Args:
        space: Independent inputs.
        outputs: Names of the Q outputs.
        grouping: Of the rows, into replicates.
        on_failure: What to do with rows at which a value or derivative is NaN or infinite.
    """

    def __init__(self, space: Space, outputs: tuple[str, ...], grouping: Grouping, on_failure: OnFailure) -> None:
        self.space, self.outputs, self.grouping, self.on_failure = space, outputs, grouping, on_failure
        self.kept = np.ones(grouping.n, bool)
        self.smooth = [j for j, i in enumerate(space.varying) if space.parameters[i].levels is None]
        found: dict[str, list[int]] = {}
        for j in self.smooth:  # inputs with the same marginal share one call
            parameter = space.parameters[space.varying[j]]
            found.setdefault(f"{parameter.distribution} {dict(parameter.options)}", []).append(j)
        self.alike = list(found.values())
        q, d, g = len(outputs), space.n_varying, grouping.n_groups
        self.centre, self.started = np.zeros(q), False
        self.values = np.zeros((2, q, g))
        self.slopes = np.zeros((3, q, d, g))

    def add(self, theta: ThetaNP, values: OutputsNQ, slopes: FloatArray, start: int) -> None:
        """Adds a chunk of rows: values (n,) or (n, Q), derivatives (n, P) or (n, Q, P), the first being row `start`."""
        f, g, good = self._checked(theta, values, slopes, start)
        self.kept[start : start + len(f)] = good
        if not good.any():
            return
        if not self.started:
            self.centre, self.started = f[good].mean(axis=0), True
        f = f - self.centre
        if not good.all():
            f, g = np.where(good[:, None], f, 0.0), np.where(good[:, None, None], g, 0.0)
        self.grouping.add(self.values[0], f.T, start)
        self.grouping.add(self.values[1], f.T**2, start)
        weight = np.zeros((self.space.n_varying, len(theta)))
        for kept in self.alike:
            columns = [self.space.varying[j] for j in kept]
            weight[kept] = stein_kernel(self.space.parameters[columns[0]], theta[:, columns]).T
        for q in range(len(self.outputs)):
            slope = np.zeros(weight.shape)
            slope[self.smooth] = g[:, q, [self.space.varying[j] for j in self.smooth]].T
            self.grouping.add(self.slopes[0, q], slope, start)
            slope *= slope
            self.grouping.add(self.slopes[1, q], slope, start)
            slope *= weight
            self.grouping.add(self.slopes[2, q], slope, start)

    def _checked(
        self, theta: ThetaNP, values: OutputsNQ, slopes: FloatArray, start: int
    ) -> tuple[FloatArray, FloatArray, np.ndarray]:
        """Values (n, Q), derivatives (n, Q, P), and which rows are finite (n,)."""
        f, g, n = number_array(values, "values"), number_array(slopes, "derivatives"), len(theta)
        f = f[:, None] if f.ndim == 1 else f
        g = g[:, None, :] if g.ndim == 2 else g
        q, p = len(self.outputs), self.space.n_parameters
        if f.shape != (n, q):
            raise DataError(f"the function must return {n} × {q} values for {q} named output(s), got {f.shape}")
        if g.shape != (n, q, p):
            raise DataError(f"the function must return gradients of shape ({n}, {q}, {p}), got {g.shape}")
        require_magnitude(f, self.outputs)
        require_magnitude(np.moveaxis(g, 1, -1), [f"derivatives of {name}" for name in self.outputs])
        columns = [self.space.varying[j] for j in self.smooth]
        good = np.asarray(np.isfinite(f).all(axis=1) & np.isfinite(g[:, :, columns]).all(axis=(1, 2)))
        if self.on_failure == "raise" and not good.all():
            raise NumericalError(
                f"a value or derivative is NaN or infinite at row {start + int(good.argmin())}; bounds need a function "
                'that is smooth: mend it, or give on_failure="drop"'
            )
        return f, g, good
