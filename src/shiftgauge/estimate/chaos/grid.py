"""Which sets of terms are tried where nothing fixes them: degrees, q-norms and interaction orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.chaos.index_set import IndexSet, total_degree, total_degree_size

LabelledSet: TypeAlias = tuple[str, str, IndexSet]
"""Label, family and terms; sets of one family grow with the degree."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Which degrees, q-norms, interaction orders and image degrees are tried where the options leave them free."""

    degrees: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14)
    q_norms: tuple[float, ...] = (1.0, 0.7, 0.5)
    orders: tuple[int | None, ...] = (None,)
    image_degrees: tuple[int, ...] = (-1, 0, 1, 2, 3, 4)

    def sets(
        self, limits: Sequence[int], room: int, *, q_norm: float | None = None, interaction_order: int | None = None
    ) -> list[LabelledSet]:
        """All sets of at most `room` terms, family by family; the constant alone when nothing else fits.

        Args:
            limits: Highest degree of each input (d,).
            room: Most terms.
            q_norm: The only q-norm that is tried. Default: all of the grid.
            interaction_order: The only interaction order that is tried. Default: all of the grid below d.

        Example:
            >>> [(label, len(terms)) for label, _, terms in Grid(degrees=(1, 2), q_norms=(1.0,)).sets([9, 9], 5)]
            [('total degree 1', 3)]
        """
        d, found = len(limits), list[LabelledSet]()
        free = interaction_order is None
        orders = [o for o in self.orders if o is None or o < d] if free else [interaction_order]
        for q in self.q_norms if q_norm is None else (q_norm,):
            for order in orders:
                together = f", at most {order} inputs together" if free and order else ""
                for p, indices in self._growing(limits, room, q, order):
                    found.append((set_label(p, q) + together, f"q-norm {q:g}, order {order}", indices))
        return found or [("constant", "constant", np.zeros((1, d), np.int64))]

    def _growing(self, limits: Sequence[int], room: int, q: float, order: int | None) -> list[tuple[int, IndexSet]]:
        d, found = len(limits), list[tuple[int, IndexSet]]()
        for p in self.degrees:
            if q == 1.0 and order is None and total_degree_size(d, p) > 4 * room:
                break
            try:
                indices = total_degree(d, p, q_norm=q, interaction_order=order, limits=limits, most=room)
            except ConfigError:  # more terms than the sample can carry
                break
            found.append((p, indices))
        return found


FULL: Final = Grid(orders=(None, 2, 3))
"""Sets that `gpc` fits in full."""
SPARSE: Final = Grid(
    degrees=(1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20),
    q_norms=(1.0, 0.7, 0.5, 0.4),
    orders=(None, 2, 3),
    image_degrees=(-1, 1, 3),
)
"""Sets from which sparse fits pick their terms."""


def set_label(degree: int, q_norm: float) -> str:
    """How a set of that degree and q-norm is called.

    Example:
        >>> set_label(3, 0.5)
        'degree 3, q-norm 0.5'
    """
    return f"total degree {degree}" if q_norm == 1.0 else f"degree {degree}, q-norm {q_norm:g}"
