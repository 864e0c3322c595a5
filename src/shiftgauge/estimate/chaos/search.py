"""Which terms each output takes: full sets and sparse fits compete by corrected leave-one-out error."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from shiftgauge.errors import NumericalError
from shiftgauge.estimate.chaos.basis import Basis
from shiftgauge.estimate.chaos.candidates import Candidate, ChaosOptions, FamilySearch, full_sets, sparse_sets
from shiftgauge.estimate.chaos.fit import fit_terms
from shiftgauge.estimate.chaos.index_set import IndexSet
from shiftgauge.estimate.chaos.sparse import FEW_POINTS, sparse_fit
from shiftgauge.estimate.chaos.validation import PickedSet, cross_fitted_q2
from shiftgauge.estimate.chaos.vandermonde import vandermonde
from shiftgauge.estimate.sobol import variance_floor
from shiftgauge.estimate.threads import bounded_threads
from shiftgauge.types import FloatArray, OutputsNQ

FEW_OUTPUTS: Final = 16
"""Up to so many outputs `auto` tries sparse fits, which serve one output at a time."""
PICKED: Final = "terms picked by"
"""Stands in the label of every sparse fit."""
_EXACT: Final = 1e-12
_NEAR: Final = 2.0
"""Sets whose error is within this factor of the best could have been chosen on part of the points."""
_CHECKED: Final = 3
"""Most sets of picked terms that are searched again within folds."""
_SPARSE_PATIENCE: Final = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class TermChoice:
    """A set of terms and the outputs that take it.

    Args:
        label: What the set is called.
        indices: Multi-indices (P, d).
        outputs: Positions of the outputs, ascending.
    """

    label: str
    indices: IndexSet
    outputs: np.ndarray

    @property
    def picked(self) -> bool:
        """Whether a sparse solver picked the terms."""
        return PICKED in self.label


@dataclass(frozen=True, kw_only=True, eq=False)
class TermSearch:
    """The choice, and what else came near it.

    Args:
        choices: Sets and their outputs; every output stands in just one.
        full: Sets whose full fit came within a factor 2 of the best.
        picked: The same for sparse fits.
    """

    choices: tuple[TermChoice, ...]
    full: tuple[IndexSet, ...]
    picked: tuple[PickedSet, ...]

    def unseen_q2(self, bases: Sequence[Basis], coordinates: FloatArray, sample: OutputsNQ) -> FloatArray | None:
        """Q² that the choice has not flattered (Q,); None when there was no choice."""
        if len(self.full) == 1 and not self.picked:
            return None
        sets = [*self.full, *(s.indices for s in self.picked)]
        largest = max(len(indices) for indices in sets)
        with bounded_threads(len(sample) * float(largest) * (largest + sample.shape[1])):
            return cross_fitted_q2(bases, self.full, coordinates, sample, picked=self.picked)


def choose_terms(
    bases: Sequence[Basis], options: ChaosOptions, coordinates: FloatArray, sample: OutputsNQ
) -> TermSearch:
    """Chooses the terms of each output.

    Args:
        bases: One per input.
        options: What is tried.
        coordinates: Points (n, d).
        sample: Outputs at the points (n, Q).

    Returns:
        The choice.

    Raises:
        ConfigError: A set that the options fix has too many terms.
        NumericalError: No set can be fitted to the points.
    """
    search = _Search(bases, coordinates, sample)
    if not options.picks:
        search.full(full_sets(bases, options, len(sample)))
    if options.picks or _competes(options, sample.shape[1]):
        solvers = [options.solver] if options.picks else ["omp", "lars"][: 1 + (len(sample) < FEW_POINTS)]
        search.sparse(sparse_sets(bases, options, len(sample)), solvers)
    return search.result()


def _competes(options: ChaosOptions, n_outputs: int) -> bool:
    return options.solver == "auto" and options.degree is None and n_outputs <= FEW_OUTPUTS


class _Search:
    """The best set of each output so far."""

    def __init__(self, bases: Sequence[Basis], coordinates: FloatArray, sample: OutputsNQ) -> None:
        self.bases, self.coordinates, self.sample = bases, coordinates, sample
        n_outputs = sample.shape[1]
        self.best = np.full(n_outputs, np.inf)
        self.taken: list[tuple[str, IndexSet]] = [("", np.empty((0, len(bases)), np.int64))] * n_outputs
        self.tried: list[tuple[str, IndexSet, FloatArray]] = []

    @cached_property
    def floor(self) -> FloatArray:
        """Error of each output below which a fit counts as exact (Q,)."""
        mean, square = self.sample.mean(axis=0), np.einsum("nq,nq->q", self.sample, self.sample) / len(self.sample)
        return _EXACT * np.maximum(square - mean**2, 0.0) + variance_floor(mean, square)

    def full(self, candidates: Sequence[Candidate]) -> None:
        """Offers full fits; a single set is taken as it is."""
        if len(candidates) == 1:
            self._offer("", candidates[0], np.zeros(len(self.best)), [candidates[0].indices] * len(self.best))
            self.best[:] = np.inf
            return
        search = FamilySearch(len(self.best))
        for candidate in (c for c in candidates if search.goes_on(c.family)):
            terms = len(candidate.indices)
            try:
                with bounded_threads(2.0 * len(self.sample) * terms * (terms + len(self.best))):
                    error = fit_terms(self.bases, candidate.indices, self.coordinates, self.sample).corrected
            except NumericalError:
                if not self.tried:
                    raise
                search.record(candidate.family, None)
                continue
            search.record(candidate.family, error)
            self._offer("", candidate, error, [candidate.indices] * len(self.best))
            if (self.best <= self.floor).all():
                break

    def sparse(self, candidates: Sequence[Candidate], solvers: Sequence[str]) -> None:
        """Offers the best sparse fit to every output from every set."""
        search = FamilySearch(len(self.best), _SPARSE_PATIENCE)
        for candidate in candidates:
            if self.tried and (self.best <= self.floor).all():
                break
            if not search.goes_on(candidate.family):
                continue
            phi = vandermonde(self.bases, candidate.indices, self.coordinates)
            with bounded_threads(2.0 * len(phi) * phi.size):
                gram = phi @ phi.T
            with bounded_threads(0.0):
                errors = [self._picked(solver, candidate, phi, gram) for solver in solvers]
            search.record(candidate.family, np.min(errors, axis=0))

    def _picked(self, solver: str, candidate: Candidate, phi: FloatArray, gram: FloatArray) -> FloatArray:
        fits = [sparse_fit(solver, phi, gram, y) for y in self.sample.T]
        error = np.array([fit.corrected for fit in fits])
        self._offer(solver, candidate, error, [candidate.indices[fit.terms] for fit in fits])
        return error

    def _offer(self, solver: str, candidate: Candidate, error: FloatArray, indices: Sequence[IndexSet]) -> None:
        self.tried.append((solver, candidate.indices, error))
        label = f"{candidate.label}, {PICKED} {solver.upper()}" if solver else candidate.label
        for q in np.flatnonzero(error < self.best).tolist():
            self.best[q], self.taken[q] = error[q], (label, indices[q])

    def result(self) -> TermSearch:
        """The choice of every output, and what came near it, nearest first."""
        if len(self.tried) == 1 and not self.tried[0][0]:
            label, indices = self.taken[0]
            only = TermChoice(label=label, indices=indices, outputs=np.arange(len(self.best)))
            return TermSearch(choices=(only,), full=(indices,), picked=())
        owners: dict[tuple[str, bytes], list[int]] = {}
        for q, (label, indices) in enumerate(self.taken):
            owners.setdefault((label, indices.tobytes()), []).append(q)
        scale = np.maximum(self.best, self.floor)  # 0 where an output is 0 everywhere, which says nothing of a set
        ratio = [np.divide(error, scale, out=np.full(len(scale), np.inf), where=scale > 0) for *_, error in self.tried]
        closeness = [(float(values.min()), k) for k, values in enumerate(ratio)]
        near = [self.tried[k][:2] for ratio, k in sorted(closeness) if ratio <= _NEAR or len(self.tried) == 1]
        picked = [PickedSet(solver=solver, indices=indices) for solver, indices in near if solver]
        return TermSearch(
            choices=tuple(
                TermChoice(label=label, indices=self.taken[rows[0]][1], outputs=np.array(rows))
                for (label, _), rows in owners.items()
            ),
            full=tuple(indices for solver, indices in near if not solver),
            picked=tuple(picked[:_CHECKED]),
        )
