"""Which sets of terms are tried, given how many points there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.chaos.basis import Basis
from shiftgauge.estimate.chaos.index_set import IndexSet, tensor, total_degree, total_degree_size, with_levels
from shiftgauge.types import FloatArray

TermKind: TypeAlias = Literal["total", "tensor", "hyperbolic"]
_DEGREES: Final = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14)
_Q_NORMS: Final = (1.0, 0.7, 0.5)
_IMAGE_DEGREES: Final = (-1, 0, 1, 2, 3, 4)
_PATIENCE: Final = 3


@dataclass(frozen=True, kw_only=True)
class ChaosOptions:
    """Which terms a surrogate holds.

    Args:
        terms: `total` degree, `tensor` or `hyperbolic`.
        degree: Highest degree, or with `tensor` one per shift parameter. Default None: chosen by error on points
            that were left out, among total-degree and hyperbolic sets that the sample can carry.
        q_norm: q of a hyperbolic set, in (0, 1].
        interaction_order: Most inputs that meet in one term. Default: any number.
        image_degree: Highest degree of the shift terms that meet the image's features. Default None: chosen.
        max_terms: Most terms of any set that is tried.
        max_features: Most image features; more are reduced to their leading principal components.

    Raises:
        ConfigError: An unknown kind or a number outside its range.
    """

    terms: TermKind = "total"
    degree: int | Sequence[int] | None = None
    q_norm: float = 0.7
    interaction_order: int | None = None
    image_degree: int | None = None
    max_terms: int = 500
    max_features: int = 40

    def __post_init__(self) -> None:
        require_in("set of terms", self.terms, ("total", "tensor", "hyperbolic"))
        require_range("q_norm", self.q_norm, 0.05, 1.0)
        require_positive_int("max_terms", self.max_terms, low=2)
        require_positive_int("max_features", self.max_features, low=0)
        if self.terms == "tensor" and self.degree is None:
            raise ConfigError("a tensor set needs `degree`, such as [6, 6, 6]")
        if self.terms != "tensor" and self.degree is not None:
            require_positive_int("degree", self.degree)


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A labelled set of terms; sets of one family grow with the degree."""

    label: str
    indices: IndexSet
    family: str


class FamilySearch:
    """Ends the search in a family of sets once its larger ones are worse for every output."""

    def __init__(self, n_outputs: int) -> None:
        self._best: dict[str, FloatArray] = {}
        self._idle: dict[str, int] = {}
        self._nothing: Final = np.full(n_outputs, np.inf)

    def goes_on(self, family: str) -> bool:
        """Whether the next larger set of the family is worth a try."""
        return self._idle.get(family, 0) < _PATIENCE

    def record(self, family: str, error_q: FloatArray | None) -> None:
        """Notes the error of each output with the family's latest set; None when it could not be fitted."""
        best = self._best.get(family, self._nothing)
        if error_q is None or not (error_q < best).any():
            self._idle[family] = self._idle.get(family, 0) + 1
            return
        self._idle[family] = 0
        self._best[family] = np.minimum(best, error_q)


def candidate_sets(bases: Sequence[Basis], options: ChaosOptions, room: int) -> list[Candidate]:
    """All sets that are tried, smallest first.

    Args:
        bases: One per input.
        options: The wishes; with a `degree` there is one shift set.
        room: Most terms the sample can carry when the set is chosen freely.

    Returns:
        At least one candidate; the smallest holds the constant alone when nothing else fits.
    """
    columns = [i for i, b in enumerate(bases) if b.is_polynomial]
    tables = [i for i, b in enumerate(bases) if not b.is_polynomial and b.n_functions > 1]
    room = min(room, options.max_terms)
    shift_sets = _fixed(bases, columns, options) if options.degree is not None else _free(bases, columns, options, room)
    found: dict[bytes, Candidate] = {}
    for label, family, compact in shift_sets:
        full = np.zeros((len(compact), len(bases)), np.int64)
        full[:, columns] = compact
        for candidate in _with_image(label, family, full, bases, tables, options, room):
            found.setdefault(candidate.indices.tobytes(), candidate)
    return sorted(found.values(), key=lambda c: len(c.indices))


def _with_image(
    label: str,
    family: str,
    full: IndexSet,
    bases: Sequence[Basis],
    tables: Sequence[int],
    options: ChaosOptions,
    room: int,
) -> list[Candidate]:
    if not tables:
        return [Candidate(label=label, indices=full, family=family)]
    column = tables[0]
    levels = bases[column].n_functions - 1
    highest = int(full.sum(axis=1).max())
    degrees = _IMAGE_DEGREES if options.image_degree is None else (options.image_degree,)
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
    return [(_label(p, q), "fixed", indices)]


def _free(
    bases: Sequence[Basis], columns: Sequence[int], options: ChaosOptions, room: int
) -> list[tuple[str, str, IndexSet]]:
    limits = [bases[i].n_functions - 1 for i in columns]
    norms = _Q_NORMS if options.terms == "total" else (options.q_norm,)
    found: list[tuple[str, str, IndexSet]] = []
    for q in norms:
        for p in _DEGREES:
            if q == 1.0 and options.interaction_order is None and total_degree_size(len(columns), p) > 4 * room:
                break
            order = options.interaction_order
            try:
                indices = total_degree(len(columns), p, q_norm=q, interaction_order=order, limits=limits)
            except ConfigError:  # more terms than any sample here can carry
                break
            if len(indices) > room:
                break
            found.append((_label(p, q), f"q-norm {q:g}", indices))
    return found or [("constant", "constant", np.zeros((1, len(columns)), np.int64))]


def _label(degree: int, q_norm: float) -> str:
    return f"total degree {degree}" if q_norm == 1.0 else f"degree {degree}, q-norm {q_norm:g}"
