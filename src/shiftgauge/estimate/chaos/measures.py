"""More that follows from the coefficients of a chaos: all subsets, Shapley effects, means of derivatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from shiftgauge.checks import require_in
from shiftgauge.errors import DataError
from shiftgauge.estimate.chaos.basis import Basis, PolynomialBasis
from shiftgauge.estimate.chaos.chaos_sample import independent_rows
from shiftgauge.estimate.chaos.fit import fit_terms
from shiftgauge.estimate.chaos.index_set import IndexSet
from shiftgauge.estimate.chaos.intervals import RESIDUALS, ChaosError, Residual, chaos_weights
from shiftgauge.estimate.chaos.search import PICKED
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.resampling import percentile_interval
from shiftgauge.estimate.result import Indices
from shiftgauge.estimate.threads import bounded_threads
from shiftgauge.types import FloatArray, OutputsNQ

_LOG_NODES: Final = 60
Slopes: TypeAlias = tuple[FloatArray, FloatArray]
"""φ_k'(x_j) √w_j at Gauss nodes of one input (degree + 1, nodes), and √w_j (nodes,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ChaosMeasures:
    """Measures of a surrogate g beside its Sobol' indices, each with its interval.

    Args:
        names: The d inputs.
        outputs: The Q outputs.
        confidence_level: Of the intervals.
        subsets: Sets of inputs that have terms for any output, smaller sets first (S,).
        subset_index: Share of the variance that needs just these inputs together (Q, S), with interval (Q, S, 2).
        shapley: Shapley effect of each input, Σ_{u ∋ i} S_u / |u|; they sum to 1 (Q, d), with interval (Q, d, 2).
        derivative_mean: E[∂g/∂x_i], in units of the output per unit of the input (Q, d), with interval (Q, d, 2);
            NaN for inputs that take only some values, and for images.
        derivative_square: E[(∂g/∂x_i)²], as above.
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    confidence_level: float
    subsets: tuple[tuple[str, ...], ...]
    subset_index: FloatArray
    subset_index_interval: FloatArray
    shapley: FloatArray
    shapley_interval: FloatArray
    derivative_mean: FloatArray
    derivative_mean_interval: FloatArray
    derivative_square: FloatArray
    derivative_square_interval: FloatArray


def chaos_measures(
    design: PlainDesign | PickFreezeDesign,
    values: OutputsNQ,
    found: Indices,
    *,
    residual: Residual = "misfit",
) -> ChaosMeasures:
    """All-subset indices, Shapley effects and means of derivatives of the surrogate that `gpc` fitted.

    S_u = Σ c_α² / Var g over the terms of exactly the inputs u; Sh_i = Σ_{u ∋ i} S_u / |u|. With m_k = E[φ_k'] and
    M_kl = E[φ_k' φ_l'] from Gauss quadrature, E[∂g/∂x_i] = Σ_k c_{k e_i} m_k and
    E[(∂g/∂x_i)²] = Σ_β Σ_kl c_{β + k e_i} M_kl c_{β + l e_i}, where β runs over the degrees in the other inputs.

    Args:
        design: What was evaluated.
        values: Outputs at its rows, as given to `gpc` (n_rows, Q).
        found: What `gpc` returned; its level, seed and number of resamples are used again, so that the intervals come
            from the same resampled coefficients.
        residual: As in `gpc`.

    Returns:
        The measures. Intervals of shares hold as those of `gpc`; those of derivatives hold for g alone, since what a
        surrogate leaves unexplained may have a derivative of any size.

    Raises:
        DataError: `found` is no result of `gpc`, or of another number of outputs.

    Example:
        >>> from shiftgauge.estimate.chaos.gpc import gpc
        >>> from shiftgauge.estimate.inputs import Inputs
        >>> from shiftgauge.estimate.reference import linear_gaussian
        >>> ref = linear_gaussian((1.0, 3.0))
        >>> design = PlainDesign(inputs=Inputs(space=ref.space), n=64)
        >>> y = ref.function(design.rows(0, 64).theta)[:, None]
        >>> measures = chaos_measures(design, y, gpc(design, y, outputs=["y"], resamples=50))
        >>> measures.shapley.round(6).tolist(), measures.derivative_square.round(6).tolist()
        ([[0.1, 0.9]], [[1.0, 9.0]])

    References:
        Owen, A. B. (2014). Sobol' indices and Shapley value. doi:10.1137/130936233
        Sudret, B., Mai, C. V. (2015). Computing derivative-based global sensitivity measures using polynomial chaos
            expansions. doi:10.1016/j.ress.2014.07.009
    """
    require_in("residual", residual, RESIDUALS)
    info = found.surrogate
    if found.estimator != "gpc" or info is None or info.leave_one_out is None:
        raise DataError(f"`found` must be a result of `gpc`, got one of `{found.estimator}`")
    dropped = "drop" if found.n_dropped else "raise"
    unit, sample, _ = independent_rows(design, values, found.outputs, dropped)
    coordinates = design.inputs.coordinates(unit)
    model, weights = info.model, chaos_weights(len(sample), found.resamples, found.seed)
    tables = _Tables(len(found.outputs), model.indices, derivative_quadratures(design, model.bases, model.indices))
    for rows, outputs in _supports(model.coefficients):
        part = sample[:, outputs]
        with bounded_threads(2.0 * len(rows) * max(len(sample) * (len(rows) + part.shape[1]), weights.size)):
            fit = fit_terms(model.bases, model.indices[rows], coordinates, part)
            error = ChaosError.of(
                weights,
                q2=info.q2[outputs],
                leave_one_out=info.leave_one_out[outputs],
                residual=residual,
                picked=PICKED in info.label[outputs[0]],
                level=found.confidence_level,
            )
            for position, q in enumerate(outputs.tolist()):
                resampled = error.coefficients(fit, part[:, position], position)
                both = np.column_stack([fit.coefficients[:, position], resampled])
                tables.add(q, rows, both, error, position)
    names = model.names
    return ChaosMeasures(
        names=names,
        outputs=found.outputs,
        confidence_level=found.confidence_level,
        subsets=tuple(tuple(names[i] for i in np.flatnonzero(u)) for u in tables.subsets),
        **tables.tables,
    )


def _supports(coefficients: FloatArray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Groups of outputs that have the same terms: positions of the terms and of the outputs."""
    live = coefficients != 0
    live[0] = True
    owners: dict[bytes, list[int]] = {}
    for q in range(live.shape[1]):
        owners.setdefault(live[:, q].tobytes(), []).append(q)
    return [(np.flatnonzero(live[:, some[0]]), np.array(some)) for some in owners.values()]


def derivative_quadratures(
    design: PlainDesign | PickFreezeDesign, bases: Sequence[Basis], indices: IndexSet
) -> list[Slopes | None]:
    """Slopes of each input's functions; None where there is no derivative (choices, images)."""
    found: list[Slopes | None] = []
    for basis, degree, parameter in zip(bases, indices.max(axis=0).tolist(), design.inputs.parameters, strict=True):
        if not isinstance(basis, PolynomialBasis) or parameter is None or parameter.levels is not None:
            found.append(None)
            continue
        x, weights = basis.quadrature(_LOG_NODES if basis.log else degree + 1)
        root = np.sqrt(weights)
        found.append((basis_derivatives(basis, x, degree) * root, root))
    return found


def basis_derivatives(basis: PolynomialBasis, values_n: FloatArray, degree: int) -> FloatArray:
    """dφ_k/dx of the functions 0 … degree at the values (degree + 1, n).

    √β_{k+1} φ'_{k+1}(s) = φ_k(s) + (s - α_k) φ'_k(s) - √β_k φ'_{k-1}(s), times ds/dx.

    Example:
        >>> from shiftgauge.estimate.chaos.basis import legendre
        >>> basis_derivatives(legendre(-1, 1), np.array([0.5]), 2).ravel().round(4).tolist()
        [0.0, 1.7321, 3.3541]
    """
    x = np.asarray(values_n, float)
    s = ((np.log(x) if basis.log else x) - basis.loc) / basis.scale
    plain, out, root = basis.evaluate(x, degree), np.zeros((degree + 1, len(x))), np.sqrt(basis.beta)
    for k in range(degree):
        out[k + 1] = plain[k] + (s - basis.alpha[k]) * out[k]
        if k:
            out[k + 1] -= root[k] * out[k - 1]
        out[k + 1] /= root[k + 1]
    return out / (basis.scale * x if basis.log else basis.scale)


class _Tables:
    """Collects the measures of one output after another."""

    def __init__(self, n_outputs: int, indices: IndexSet, quadratures: Sequence[Slopes | None]) -> None:
        self.indices, self.quadratures = indices, quadratures
        used = indices > 0
        subsets, self.which = np.unique(used, axis=0, return_inverse=True)
        order = sorted(range(len(subsets)), key=lambda k: (subsets[k].sum(), np.flatnonzero(subsets[k]).tolist()))
        rank = np.argsort(order)
        self.which = rank[self.which.ravel()]
        self.subsets = subsets[order][1:]  # the first is the empty set, of the constant
        d = indices.shape[1]
        widths = {"subset_index": len(self.subsets), "shapley": d, "derivative_mean": d, "derivative_square": d}
        self.tables: dict[str, FloatArray] = {}
        for key, width in widths.items():
            self.tables[key] = np.full((n_outputs, width), np.nan)
            self.tables[f"{key}_interval"] = np.full((n_outputs, width, 2), np.nan)

    def add(self, q: int, rows: np.ndarray, both: FloatArray, error: ChaosError, position: int) -> None:
        """Enters output q, whose coefficients and their resamples stand in the columns of `both` (P, 1 + R)."""
        squared = both**2
        squared[0] = 0.0
        parts = np.zeros((len(self.subsets) + 1, both.shape[1]))
        np.add.at(parts, self.which[rows], squared)
        variance = squared.sum(axis=0)
        if variance[0] > 0:
            shares = parts[1:] / variance
            weight = self.subsets / np.maximum(self.subsets.sum(axis=1, keepdims=True), 1)
            one = slice(position, position + 1)
            for key, value in (("subset_index", shares), ("shapley", weight.T @ shares)):
                self.tables[key][q] = value[:, 0]
                self.tables[f"{key}_interval"][q] = error.share_interval(value[None, :, 0], value[None, :, 1:], one)[0]
        for i, quadrature in enumerate(self.quadratures):
            if quadrature is not None:
                self._derivative(q, i, self.indices[rows], both, quadrature, error.level)

    def _derivative(
        self,
        q: int,
        i: int,
        indices: IndexSet,
        both: FloatArray,
        quadrature: tuple[FloatArray, FloatArray],
        level: float,
    ) -> None:
        slopes, root = quadrature
        rows = np.flatnonzero(indices[:, i])
        others = np.delete(indices[rows], i, axis=1)
        keys, which = np.unique(others, axis=0, return_inverse=True)
        mean, square = np.zeros((2, both.shape[1]))
        for number, key in enumerate(keys):
            some = rows[which.ravel() == number]
            along = slopes[indices[some, i]].T @ both[some]  # E[∂g/∂x_i φ_β] at the nodes of x_i, times √w
            square += np.square(along).sum(axis=0)
            if not key.any():
                mean += root @ along
        for name, value, biased in (("derivative_mean", mean, False), ("derivative_square", square, True)):
            self.tables[name][q, i] = value[0]
            resampled = value[1:]
            if biased and len(resampled):
                resampled = resampled - (resampled.mean() - value[0])
            self.tables[f"{name}_interval"][q, i] = percentile_interval(resampled[None], level)[0]
