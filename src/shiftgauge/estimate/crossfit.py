"""Surrogates that never see the points they are applied to: one per fold, chosen by error on the fold left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from shiftgauge.estimate.chaos.basis import Basis
from shiftgauge.estimate.chaos.candidates import Candidate, FamilySearch
from shiftgauge.estimate.chaos.index_set import IndexSet
from shiftgauge.estimate.chaos.indices import chaos_columns, component_matrix, group_support
from shiftgauge.estimate.chaos.vandermonde import vandermonde
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.folds import FoldChoice, FoldSums
from shiftgauge.estimate.moments import MomentLayout
from shiftgauge.estimate.resampling import Grouping
from shiftgauge.estimate.tails import Tails
from shiftgauge.types import FloatArray, OutputsNQ

_CHUNK: Final = 16_384
_RIDGES: Final = (1e-12, 1e-3, 1e-2, 1e-1)
"""Penalties tried, as a share of the number of points; the first only guards the factorisation."""

_EXACT: Final = 1e-10
EXACT_Q2: Final = 1 - 1e-6
"""From this share on, nothing is left that a residual surrogate could learn."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossFit:
    """One surrogate per fold and one for all rows, over the same terms; terms not chosen are zero.

    Args:
        bases: One per input.
        indices: All terms of all candidates (P, d).
        folds: Coefficients fitted without fold k (K, P, Q).
        full: Coefficients fitted to all rows (P, Q).
        q2: 1 - error on the folds left out / variance (Q,); 0 or below when nothing is explained.
        chosen: Number of the chosen candidate (Q,).
        labels: Of the chosen candidates (Q,).
        terms: Number of their terms (Q,).
        tails: Bases with curbed tails, to which the `folds` of some outputs belong; the other fields stay those of
            the polynomials.
        tail_of: Which of `tails` each output has, -1 for none (Q,). Default: none.
    """

    bases: tuple[Basis, ...]
    indices: IndexSet
    folds: FloatArray
    full: FloatArray
    q2: FloatArray
    chosen: np.ndarray
    labels: tuple[str, ...]
    terms: np.ndarray
    tails: tuple[Tails, ...] = ()
    tail_of: np.ndarray | None = None

    def alike(self, outputs: np.ndarray) -> Iterator[np.ndarray]:
        """Splits some outputs into those that share their bases."""
        tail = np.full(len(outputs), -1) if self.tail_of is None else self.tail_of[outputs]
        for number in np.unique(tail):
            yield outputs[tail == number]

    def tails_of(self, outputs: np.ndarray) -> Tails | None:
        """The curbed tails of outputs that share their bases; None where they have none."""
        number = -1 if self.tail_of is None else int(self.tail_of[outputs[0]])
        return None if number < 0 else self.tails[number]

    def expected_columns(self, groups: Sequence[Sequence[int]], layout: MomentLayout) -> FloatArray:
        """Exact expectations of the columns of `MomentLayout`, for the surrogate of each fold (columns, Q, K)."""
        out = np.empty((layout.n_columns, self.full.shape[1], len(self.folds)))
        matrix = component_matrix(group_support(self.indices, groups), layout)
        for outputs in self.alike(np.arange(self.full.shape[1])):
            tails, folds = self.tails_of(outputs), self.folds[..., outputs]
            if tails is None:
                out[:, outputs] = np.stack([chaos_columns(c, matrix) for c in folds], axis=-1)
                continue
            live = (folds != 0).any(axis=(0, 2)) | (np.arange(len(self.indices)) == 0)
            out[:, outputs] = tails.columns(self.indices[live], np.moveaxis(folds[:, live], 0, -1), groups, layout)
        return out

    def predict_left_out(self, design: PickFreezeDesign) -> OutputsNQ:
        """Values at every row of the design from the surrogate of its own fold, which never saw its block."""
        out = np.empty((design.n_rows, self.full.shape[1]))
        for outputs in self.alike(np.arange(self.full.shape[1])):
            for piece in trend_pieces(design, self, outputs):
                out[piece.rows.start : piece.rows.stop, outputs] = piece.own()
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class TrendPiece:
    """Some consecutive rows of a design and the polynomial's terms there.

    Args:
        rows: Which rows.
        coordinates: As `Inputs.coordinates` gives them (n, d).
        fold: Of each row (n,).
        terms: Values of the terms (P, n).
        coefficients: Of each fold (K, P, q).
    """

    rows: slice
    coordinates: FloatArray
    fold: np.ndarray
    terms: FloatArray
    coefficients: FloatArray

    def own(self) -> OutputsNQ:
        """Value of each row from the surrogate of its own fold (n, q)."""
        out = np.empty((len(self.fold), self.coefficients.shape[-1]))
        for k, c in enumerate(self.coefficients):
            rows = np.flatnonzero(self.fold == k)
            out[rows] = self.terms[:, rows].T @ c
        return out

    def all(self) -> FloatArray:
        """Values from the surrogates of all folds (q, K, n)."""
        return np.stack([c.T @ self.terms for c in self.coefficients], axis=1)


def trend_pieces(
    design: PickFreezeDesign, fit: CrossFit, outputs: np.ndarray, grouping: Grouping | None = None
) -> Iterator[TrendPiece]:
    """Runs through the rows of a design in pieces of whole blocks.

    Args:
        design: Any with the inputs of the one that was fitted.
        fit: The surrogates.
        outputs: Which outputs (q,); all must share their bases, as `CrossFit.alike` splits them.
        grouping: Of the design's blocks, which decides their folds. Default: the design's own.
    """
    n_folds = len(fit.folds)
    chosen = fit.folds[..., outputs]
    live = np.flatnonzero((chosen != 0).any(axis=(0, 2)) | (np.arange(len(fit.indices)) == 0))
    coefficients = np.ascontiguousarray(chosen[:, live])
    tails = fit.tails_of(outputs)
    bases = fit.bases if tails is None else tails.bases
    for start, fold_n, phi, coordinates in _pieces(design, bases, fit.indices[live], n_folds, grouping):
        yield TrendPiece(
            rows=slice(start, start + len(fold_n)),
            coordinates=coordinates,
            fold=fold_n,
            terms=phi,
            coefficients=coefficients,
        )


def fold_of_block(block_n: np.ndarray, grouping: Grouping, n_folds: int) -> np.ndarray:
    """Fold of each block: whole groups are dealt in turn, so that blocks that may depend on each other share a fold."""
    return grouping.of_block(block_n) % n_folds


def cross_fit(
    design: PickFreezeDesign,
    centred: OutputsNQ,
    bases: tuple[Basis, ...],
    candidates: Sequence[Candidate],
    n_folds: int,
    kept: np.ndarray | None = None,
) -> CrossFit:
    """Fits every candidate without each fold and keeps, for each output, the one with the least error there.

    All fits come from one pass: ΦᵀΦ, Φᵀy and yᵀy per fold. A fit without a fold subtracts that fold's, a smaller set
    of terms takes part of the matrix, and the error on the fold is yᵀy - 2cᵀΦᵀy + cᵀΦᵀΦc.

    Args:
        design: What was evaluated.
        centred: Outputs at its rows, less their means (n_rows, Q).
        bases: One per input.
        candidates: Sets of terms.
        n_folds: K ≥ 2; the design's groups of blocks, not rows, are dealt to folds.
        kept: Blocks to fit to, bool (N,). Default: all.

    Returns:
        The surrogates.
    """
    union = np.unique(np.concatenate([c.indices for c in candidates]), axis=0)
    place = {tuple(row): k for k, row in enumerate(union.tolist())}
    members = [np.array([place[tuple(row)] for row in c.indices.tolist()]) for c in candidates]
    sums = _fold_sums(design, centred, bases, union, n_folds, kept)
    choice = FoldChoice(sums, len(union))
    search = FamilySearch(centred.shape[1])
    for number, candidate in enumerate(candidates):
        if search.goes_on(candidate.family):
            search.record(candidate.family, choice.offer(number, members[number], _RIDGES[0]))
        if (choice.error <= _EXACT * sums.square.sum(axis=0)).all():
            break
    for number in {int(v) for v in choice.number}:
        for ridge in _RIDGES[1:]:
            choice.offer(number, members[number], ridge, only=choice.number == number)
    variance = sums.square.sum(axis=0) / sums.count.sum()
    known = variance > 0
    error = choice.error / sums.count.sum()
    return CrossFit(
        bases=bases,
        indices=union,
        folds=choice.folds,
        full=choice.full(members),
        q2=np.where(known, 1 - error / np.where(known, variance, 1.0), np.nan),
        chosen=choice.number,
        labels=tuple(candidates[int(c)].label for c in choice.number),
        terms=np.array([len(members[int(c)]) for c in choice.number]),
    )


def _fold_sums(
    design: PickFreezeDesign,
    centred: OutputsNQ,
    bases: Sequence[Basis],
    union: IndexSet,
    n_folds: int,
    kept: np.ndarray | None,
) -> FoldSums:
    p, q = len(union), centred.shape[1]
    sums = FoldSums(
        gram=np.zeros((n_folds, p, p)),
        moment=np.zeros((n_folds, p, q)),
        square=np.zeros((n_folds, q)),
        count=np.zeros(n_folds),
    )
    for start, fold_n, phi, _ in _pieces(design, bases, union, n_folds):
        if kept is not None:
            block = np.arange(start, start + len(fold_n)) // design.rows_per_block
            fold_n = np.where(kept[block], fold_n, -1)
        for k in range(n_folds):
            rows = np.flatnonzero(fold_n == k)
            part, y = np.ascontiguousarray(phi[:, rows]), centred[start + rows]
            sums.gram[k] += part @ part.T
            sums.moment[k] += part @ y
            sums.square[k] += np.einsum("nq,nq->q", y, y)
            sums.count[k] += len(rows)
    return sums


def _pieces(
    design: PickFreezeDesign,
    bases: Sequence[Basis],
    indices: IndexSet,
    n_folds: int,
    grouping: Grouping | None = None,
) -> Iterator[tuple[int, np.ndarray, FloatArray, FloatArray]]:
    """First row, folds (n,), terms (P, n) and coordinates (n, d) of pieces of whole blocks."""
    blocks = max(1, min(_CHUNK, 16_000_000 // max(1, len(indices))) // design.rows_per_block)
    size = blocks * design.rows_per_block
    for start in range(0, design.n_rows, size):
        stop = min(start + size, design.n_rows)
        coordinates = design.inputs.coordinates(design.rows(start, stop).unit)
        block = np.arange(start, stop) // design.rows_per_block
        fold_n = fold_of_block(block, grouping or design.grouping, n_folds)
        yield start, fold_n, vandermonde(bases, indices, coordinates), coordinates
