"""Which sets of terms are tried, given how many points there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError, NumericalError
from shiftgauge.estimate.chaos.basis import MAX_DEGREE, Basis, TableBasis, input_bases
from shiftgauge.estimate.chaos.grid import FULL, SPARSE, Grid, set_label
from shiftgauge.estimate.chaos.index_set import IndexSet, tensor, total_degree, with_levels
from shiftgauge.estimate.chaos.sparse import SOLVERS, Solver, most_terms
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.types import FloatArray

TermKind: TypeAlias = Literal["total", "tensor", "hyperbolic"]
_PATIENCE: Final = 3
_CHOSEN_TERMS: Final = 500
_PICKED_FROM: Final = 1000
_PER_POINT: Final = 10
_NUMBERS: Final = 8_000_000
FIXED_TERMS: Final = 3000
"""Most terms of a set whose degree is given: its matrices then stay below 100 MB each."""
FEW_IMAGES: Final = 30
"""Up to so many images the surrogate may use one indicator for each when no features are given."""


@dataclass(frozen=True, kw_only=True)
class ChaosOptions:
    """Which terms a surrogate holds.

    Args:
        terms: `total` degree, `tensor` or `hyperbolic`.
        degree: Highest degree ≥ 1, or with `tensor` one ≥ 0 per shift parameter. Default None: chosen by error on
            points that were left out, among total-degree and hyperbolic sets that the sample can carry.
        q_norm: q of a hyperbolic set, in (0, 1].
        interaction_order: Most inputs that meet in one term. Default: any number.
        image_degree: Highest degree of the shift terms that meet the image's features, -1 for no features. Default
            None: chosen.
        max_terms: Most terms of any set that is tried. Default None: 500 where sets are chosen, 1000 (or one for each
            input, where that is more) where sparse fits pick from them, 3000 for the set that a `degree` fixes.
        max_features: Most image features; more are reduced to their leading principal components.
        solver: How `gpc` fits. `least_squares`: all terms of the set. `omp`: orthogonal matching pursuit picks at most
            a third as many terms as there are points, from sets that may be larger than the sample. `lars`: the same
            in the order of least-angle regression. `auto`: least squares for a set that `degree` fixes; else least
            squares and `omp`, below 100 points `lars` too, compete by corrected leave-one-out error (with more than 16
            outputs least squares alone, which serves all of them at once). `assisted` always takes least squares.

    Raises:
        ConfigError: An unknown kind or a number outside its range.
    """

    terms: TermKind = "total"
    degree: int | Sequence[int] | None = None
    q_norm: float = 0.7
    interaction_order: int | None = None
    image_degree: int | None = None
    max_terms: int | None = None
    max_features: int = 40
    solver: Solver = "auto"

    def __post_init__(self) -> None:
        require_in("solver", self.solver, SOLVERS)
        require_in("set of terms", self.terms, ("total", "tensor", "hyperbolic"))
        require_range("q_norm", self.q_norm, 0.05, 1.0)
        if self.max_terms is not None:
            require_positive_int("max_terms", self.max_terms, low=2)
        if self.interaction_order is not None:
            require_positive_int("interaction_order", self.interaction_order)
        if self.image_degree is not None and self.image_degree != -1:
            require_positive_int("image_degree", self.image_degree, low=0)
        require_positive_int("max_features", self.max_features, low=0)
        if self.terms == "tensor" and self.degree is None:
            raise ConfigError("a tensor set needs `degree`, such as [6, 6, 6]")
        if self.terms == "tensor" and isinstance(self.degree, Sequence):
            for p in self.degree:
                require_positive_int("degree", p, low=0)
        elif self.degree is not None:
            require_positive_int("degree", self.degree)
        highest = max(self.degree, default=0) if isinstance(self.degree, Sequence) else self.degree or 0
        if highest > MAX_DEGREE:
            raise ConfigError(f"`degree` must be at most {MAX_DEGREE}, got {highest}; bases go no higher")

    @property
    def limit(self) -> int:
        """Most terms of a set that is fitted in full under these options."""
        return self.max_terms or (_CHOSEN_TERMS if self.degree is None else FIXED_TERMS)

    @property
    def picks(self) -> bool:
        """Whether terms are picked from every set, so that no set is fitted in full."""
        return self.solver in ("omp", "lars")


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A labelled set of terms; sets of one family grow with the degree."""

    label: str
    indices: IndexSet
    family: str


class FamilySearch:
    """Ends the search in a family of sets once its larger ones are worse for every output."""

    def __init__(self, n_outputs: int, patience: int = _PATIENCE) -> None:
        self._patience: Final = patience
        self._best: dict[str, FloatArray] = {}
        self._idle: dict[str, int] = {}
        self._nothing: Final = np.full(n_outputs, np.inf)

    def goes_on(self, family: str) -> bool:
        """Whether the next larger set of the family is worth a try."""
        return self._idle.get(family, 0) < self._patience

    def record(self, family: str, error_q: FloatArray | None) -> None:
        """Notes the error of each output with the family's latest set; None when it could not be fitted."""
        best = self._best.get(family, self._nothing)
        if error_q is None or not (error_q < best).any():
            self._idle[family] = self._idle.get(family, 0) + 1
            return
        self._idle[family] = 0
        self._best[family] = np.minimum(best, error_q)


def candidate_sets(
    bases: Sequence[Basis], options: ChaosOptions, room: int, *, grid: Grid | None = None, limit: int | None = None
) -> list[Candidate]:
    """All sets that are tried, smallest first.

    Args:
        bases: One per input.
        options: The wishes; with a `degree` there is one shift set.
        room: Most terms the sample can carry when the set is chosen freely.
        grid: What is tried where the options leave it free. Default: `Grid()`, any interaction order.
        limit: Most terms of a set. Default: that of the options.

    Returns:
        At least one candidate; the smallest holds the constant alone when nothing else fits.

    Raises:
        ConfigError: The set that the options fix, or the smallest they allow, has more terms than `max_terms`.
    """
    columns = [i for i, b in enumerate(bases) if b.is_polynomial]
    tables = [i for i, b in enumerate(bases) if not b.is_polynomial and b.n_functions > 1]
    grid, limit = grid or Grid(), limit or options.limit
    room = min(room, limit)
    free = options.degree is None
    shift_sets = _free(bases, columns, options, room, grid) if free else _fixed(bases, columns, options)
    found: dict[bytes, Candidate] = {}
    for label, family, compact in shift_sets:
        full = np.zeros((len(compact), len(bases)), np.int64)
        full[:, columns] = compact
        for candidate in _with_image(label, family, full, bases, tables, options, room, grid):
            found.setdefault(candidate.indices.tobytes(), candidate)
    ordered = sorted(found.values(), key=lambda c: len(c.indices))
    if len(ordered[0].indices) > limit:
        raise ConfigError(
            f"the set of terms `{ordered[0].label}` has {len(ordered[0].indices)} terms, more than `max_terms` "
            f"({limit}); lower `degree`, `interaction_order` or `image_degree`, or leave `degree` out"
        )
    return [candidate for candidate in ordered if len(candidate.indices) <= limit]


def sparse_sets(bases: Sequence[Basis], options: ChaosOptions, n: int) -> list[Candidate]:
    """The sets from which sparse fits to n points pick their terms, smallest first; they may hold more terms than n.

    Terms times points stay below 8 million where the sets are chosen freely, which bounds memory.

    Raises:
        ConfigError: As `candidate_sets`.
    """
    free = options.degree is None
    limit = options.max_terms or (max(_PICKED_FROM, 1 + len(bases)) if free else FIXED_TERMS)
    return candidate_sets(bases, options, max(2, min(_PER_POINT * n, _NUMBERS // n)), grid=SPARSE, limit=limit)


def full_sets(bases: Sequence[Basis], options: ChaosOptions, n: int) -> list[Candidate]:
    """The sets that `gpc` fits in full to n points, smallest first.

    Raises:
        ConfigError: As `candidate_sets`.
    """
    return candidate_sets(bases, options, sample_room(n, "gpc"), grid=FULL)


def check_chaos(
    inputs: Inputs,
    options: ChaosOptions | None = None,
    *,
    n_rows: int,
    n_features: int | None = None,
    estimator: str = "assisted",
) -> int:
    """Checks before anything is evaluated that the surrogate can be fitted to a sample of this size.

    Args:
        inputs: Of the design.
        options: Which terms. Default: chosen.
        n_rows: Rows that the surrogate is fitted to: all of a design; of a pick-freeze design that `gpc` is given only
            the 2·n_base rows A and B.
        n_features: Columns of the image features that will be given. Default None: one indicator per image when there
            are at most 30 images, else none.
        estimator: `assisted` or `gpc`; `pick_freeze` has no surrogate, so nothing is checked.

    Returns:
        Terms of the largest fit that would be tried; 0 without a surrogate.

    Raises:
        ConfigError: A degree that does not fit the inputs, or more terms than `max_terms`.
        NumericalError: Not more rows than terms of the smallest set.

    Example:
        >>> from shiftgauge.estimate.reference import ISHIGAMI
        >>> check_chaos(Inputs(space=ISHIGAMI.space), ChaosOptions(terms="tensor", degree=6), n_rows=10_000)
        343
    """
    if estimator == "pick_freeze":
        return 0
    options = options or ChaosOptions()
    bases = list(input_bases(inputs, None, 0))
    if inputs.has_image:
        shown = (inputs.n_images if inputs.n_images <= FEW_IMAGES else 0) if n_features is None else n_features
        functions = 1 + min(shown, inputs.n_images - 1, options.max_features)
        bases[0] = TableBasis(table=np.ones((1, functions)))
    if estimator == "gpc" and options.picks:
        return min(len(sparse_sets(bases, options, n_rows)[-1].indices), most_terms(n_rows))
    full = estimator == "gpc" and full_sets(bases, options, n_rows)
    sizes = [len(c.indices) for c in full or candidate_sets(bases, options, sample_room(n_rows, estimator))]
    if sizes[0] >= n_rows:
        raise NumericalError(
            f"{sizes[0]} terms need more than {sizes[0]} points, got {n_rows}; lower the degree or draw more"
        )
    return sizes[-1]


def sample_room(n_rows: int, estimator: str, n_folds: int = 5) -> int:
    """Most terms that a sample can carry when the set is chosen freely."""
    return max(2, n_rows // 3 if estimator == "gpc" else n_rows * (n_folds - 1) // (4 * n_folds))


def _with_image(
    label: str,
    family: str,
    full: IndexSet,
    bases: Sequence[Basis],
    tables: Sequence[int],
    options: ChaosOptions,
    room: int,
    grid: Grid,
) -> list[Candidate]:
    if not tables:
        return [Candidate(label=label, indices=full, family=family)]
    column = tables[0]
    levels = bases[column].n_functions - 1
    highest = int(full.sum(axis=1).max())
    degrees = grid.image_degrees if options.image_degree is None else (min(options.image_degree, highest),)
    out = []
    for q in degrees:
        low = int((full.sum(axis=1) <= q).sum())
        if q > highest or (options.image_degree is None and q >= 0 and len(full) + levels * low > room):
            continue
        text = label if q < 0 else f"{label}, image features × degree {q}"
        indices = with_levels(full, column, levels, q)
        out.append(Candidate(label=text, indices=indices, family=f"{family}, image {q}"))
    return out


def _fixed(bases: Sequence[Basis], columns: Sequence[int], options: ChaosOptions) -> list[tuple[str, str, IndexSet]]:
    limits = [bases[i].n_functions - 1 for i in columns]
    degree = options.degree
    if options.terms == "tensor":
        wanted = [degree] * len(columns) if isinstance(degree, int) else list(degree or ())
        if len(wanted) != len(columns):
            raise ConfigError(f"`degree` must hold one number for each of {len(columns)} parameters, got {wanted}")
        indices = tensor([min(p, limit) for p, limit in zip(wanted, limits, strict=True)])
        if options.interaction_order is not None:
            indices = indices[(indices > 0).sum(axis=1) <= options.interaction_order]
        return [(f"tensor {wanted}", "tensor", indices)]
    p = require_positive_int("degree", degree)
    q = options.q_norm if options.terms == "hyperbolic" else 1.0
    order = options.interaction_order
    indices = total_degree(len(columns), p, q_norm=q, interaction_order=order, limits=limits)
    return [(set_label(p, q), "fixed", indices)]


def _free(
    bases: Sequence[Basis], columns: Sequence[int], options: ChaosOptions, room: int, grid: Grid
) -> list[tuple[str, str, IndexSet]]:
    return grid.sets(
        [bases[i].n_functions - 1 for i in columns],
        room,
        q_norm=None if options.terms == "total" else options.q_norm,
        interaction_order=options.interaction_order,
    )
