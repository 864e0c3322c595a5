"""Whether polynomials may be trusted beyond the points they were fitted to: a trial at the outermost points."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from shiftgauge.estimate.chaos.candidates import Candidate
from shiftgauge.estimate.chaos.vandermonde import vandermonde
from shiftgauge.estimate.crossfit import CrossFit
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.folds import solve_terms
from shiftgauge.estimate.tails import Tails
from shiftgauge.types import FloatArray, OutputsNQ

_CHUNK: Final = 16_384
_OUTER: Final = 0.25
"""Largest share of the rows that count as outermost."""
_GUARD: Final = 1e-12
_TINY: Final = 1e-300


def extrapolation_ratio(
    design: PickFreezeDesign, centred: OutputsNQ, fit: CrossFit, candidates: Sequence[Candidate], tails: Tails
) -> FloatArray:
    """Error of the polynomials at the outermost points, over that of the same ones with curbed tails.

    Both are fitted without these points: ρ = Σ (f - g)² / Σ (f - g')² over them, where g' has its tails from where the
    trial's inner region ends. A function that a polynomial really is, or nearly (exp(0.3 x)), gives ρ far below 1;
    one that it only follows where there are points (sin 2x) gives ρ of about 1 or far more.

    Args:
        design: What was evaluated.
        centred: Outputs at its rows, less their means (n_rows, Q).
        fit: Which candidate each output has.
        candidates: Sets of terms.
        tails: The tails; the outermost rows are those with an input beyond their edges, at most a quarter of all.

    Returns:
        ρ (Q,); inf where the inner points cannot carry the terms.

    References:
        Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial, hierarchical, or
            phylogenetic structure. doi:10.1111/ecog.02881
    """
    spread = np.concatenate([np.abs(u[:, tails.bent] - 0.5).max(axis=1) for _, u in _units(design)])
    limit = max(min(0.5 - tails.edge, float(np.quantile(spread, 1 - _OUTER))), 0.25)
    inner = spread <= limit
    curbed = replace(tails, edge=0.5 - limit)
    out = np.full(centred.shape[1], np.inf)
    for number in np.unique(fit.chosen):
        outputs = np.flatnonzero(fit.chosen == number)
        found = _errors(design, centred[:, outputs], candidates[int(number)], inner, curbed)
        if found is not None:
            out[outputs] = found[0] / np.maximum(found[1], _TINY)
    return out


def _errors(
    design: PickFreezeDesign, values: OutputsNQ, candidate: Candidate, inner: np.ndarray, curbed: Tails
) -> FloatArray | None:
    """Sums of squares outside, of the polynomials and of those with tails (2, q); None without a fit."""
    terms, n_outputs = len(candidate.indices), values.shape[1]
    gram, moment = np.zeros((terms, terms)), np.zeros((terms, n_outputs))
    for start, unit in _units(design):
        rows = np.flatnonzero(inner[start : start + len(unit)])
        phi = vandermonde(curbed.plain, candidate.indices, design.inputs.coordinates(unit[rows]))
        gram += phi @ phi.T
        moment += phi @ values[start + rows]
    c = solve_terms(gram, moment, _GUARD * float(inner.sum()))
    if c is None:
        return None
    errors = np.zeros((2, n_outputs))
    for start, unit in _units(design):
        rows = np.flatnonzero(~inner[start : start + len(unit)])
        points = design.inputs.coordinates(unit[rows])
        for k, bases in enumerate((curbed.plain, curbed.bases)):
            away = vandermonde(bases, candidate.indices, points).T @ c - values[start + rows]
            errors[k] += np.einsum("nq,nq->q", away, away)
    return errors


def _units(design: PickFreezeDesign) -> Iterator[tuple[int, FloatArray]]:
    """First row and points of the unit cube (n, d) of one piece of the design after another."""
    for start in range(0, design.n_rows, _CHUNK):
        yield start, design.rows(start, min(start + _CHUNK, design.n_rows)).unit
