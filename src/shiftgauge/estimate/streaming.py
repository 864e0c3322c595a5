"""Pick-freeze indices while the function runs: neither the design nor its values are ever held as a whole."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError, DataError, NumericalError
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.moments import GroupSums, MomentLayout, centre_of, pick_freeze_columns, require_blocks
from shiftgauge.estimate.resampling import check_resampling
from shiftgauge.estimate.result import Indices
from shiftgauge.estimate.sobol import sobol_indices
from shiftgauge.estimate.threads import bounded_threads
from shiftgauge.estimate.values import ON_FAILURE, OnFailure, call_function, require_magnitude, require_names
from shiftgauge.types import FloatArray, ThetaNP

Progress: TypeAlias = Callable[[int, int], None]
Cells: TypeAlias = Callable[[int, int, FloatArray], None]
_HELD: Final = 2_000_000
"""Numbers of a chunk of rows, or of first-layer values, held at once."""
_LARGEST: Final = 2**27
"""Most numbers kept as sums: 1 GB."""
_BLOCKS: Final = 64


@dataclass(frozen=True, kw_only=True)
class LinearFirst:
    """A function that begins with a linear layer: f(x) = rest(W x + b), such as a multilayer perceptron.

    Row AB_i differs from A in the columns of group i alone, so its first layer is W x_A + b + W_i (b_i - a_i): h
    numbers of work for each row, not h · P. `stream_pick_freeze` makes use of it; called by itself it is a plain
    function.

    Args:
        weight: W (h, P), one column for each parameter of the space, fixed ones included; its dtype is that of the
            first layer.
        bias: b (h,).
        rest: First-layer values (n, h), which it may overwrite → outputs (n,) or (n, Q).

    Raises:
        DataError: Shapes that do not match.

    Example:
        >>> two = LinearFirst(weight=np.array([[1.0, 2.0]]), bias=np.zeros(1), rest=lambda z: np.maximum(z, 0)[:, 0])
        >>> two(np.array([[1.0, 1.0], [-3.0, 1.0]])).tolist()
        [3.0, 0.0]
    """

    weight: np.ndarray
    bias: np.ndarray
    rest: Callable[[np.ndarray], np.ndarray]

    def __post_init__(self) -> None:
        if np.ndim(self.weight) != 2 or np.shape(self.bias) != np.shape(self.weight)[:1]:
            raise DataError(
                f"`weight` must be (h, P) and `bias` (h,), got {np.shape(self.weight)} and {np.shape(self.bias)}"
            )

    def __call__(self, theta_np: ThetaNP) -> np.ndarray:
        """Outputs at physical values (n, P)."""
        return self.rest(self.first(theta_np))

    def first(self, theta_np: ThetaNP) -> np.ndarray:
        """First-layer values (n, h)."""
        return theta_np.astype(self.weight.dtype) @ self.weight.T + self.bias


def stream_pick_freeze(
    function: Callable[[Any], np.ndarray],
    design: PickFreezeDesign,
    *,
    outputs: Sequence[str],
    resamples: int = 1000,
    confidence_level: float = 0.95,
    seed: int = 0,
    on_failure: OnFailure = "raise",
    pairs: bool = False,
    chunk: int | None = None,
    progress: Progress | None = None,
) -> Indices:
    """First and total indices of a function of any number of inputs, in bounded memory.

    The estimates of `pick_freeze`, summed group by group while the function is evaluated: rows A and B first, which
    give the mean that is subtracted, then the mixed rows, a few blocks at a time. Memory grows with 2N values, the
    sums of 2 + 2d products over the groups (16 replicates, or up to 2,048 runs of blocks for the bootstrap), and one
    chunk, not with the N (d + 2) rows.

    Args:
        function: Physical values (n, P), in the order of the space → outputs (n,) or (n, Q); a `LinearFirst` costs
            less still. Where the design has images or realisations, it is given the `DesignRows` instead.
        design: What is to be evaluated.
        outputs: Names of the Q outputs.
        resamples: Bootstrap resamples, where the design has no replicates; 0 means no intervals.
        confidence_level: Of the intervals.
        seed: Of the resampling.
        on_failure: `raise`, or `drop` the blocks that hold a value which is NaN or infinite. Dropped blocks still
            have a part in the mean that is subtracted.
        pairs: Whether to estimate pairs of inputs too: d(d-1)/2 more sums. Otherwise `total_interaction`,
            `second_order` and `closed` are None.
        chunk: Most rows given to the function at once. Default: some 16 MB of values. It changes no number, as long
            as the function treats each row by itself.
        progress: Called with the rows evaluated and their number.

    Returns:
        Indices as from `pick_freeze`.

    Raises:
        ConfigError: An option outside its range, more sums than 1 GB holds, or a `LinearFirst` where the
            function is given images.
        DataError: The function failed, or its values are no real numbers or have another shape.
        NumericalError: A value is NaN or infinite, or too few blocks are left.

    Example:
        >>> from shiftgauge.estimate.inputs import Inputs
        >>> from shiftgauge.estimate.reference import ISHIGAMI
        >>> design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=1024)
        >>> found = stream_pick_freeze(ISHIGAMI.function, design, outputs=["y"])
        >>> bool(abs(found.total_order[0] - ISHIGAMI.total_order).max() < 0.05), found.total_interaction
        (True, None)

    References:
        Saltelli, A. et al. (2010). Variance based sensitivity analysis of model output. doi:10.1016/j.cpc.2009.09.018
        Jansen, M. (1999). Analysis of variance designs for model output. doi:10.1016/S0010-4655(98)00154-4
    """
    check_resampling(resamples, confidence_level)
    require_names("outputs", outputs)
    require_in("on_failure", on_failure, ON_FAILURE)
    if chunk is not None:
        require_positive_int("chunk", chunk)
    layout = MomentLayout(d=design.n_groups, second_order=design.second_order, with_pairs=pairs)
    size = layout.n_columns * len(outputs) * design.grouping.n_groups
    if size > _LARGEST:
        raise ConfigError(
            f"the sums of {layout.n_columns} products of {len(outputs)} outputs over {design.grouping.n_groups} groups "
            f"need {8 * size / 2**30:.1f} GB; leave out pairs, give the design 16 replicates, or take fewer outputs"
        )
    source = _Stream(function, design, layout, list(outputs), on_failure, chunk, progress).run()
    return sobol_indices(
        source,
        outputs,
        estimator="pick_freeze",
        resamples=resamples,
        confidence_level=confidence_level,
        seed=seed,
    )


@dataclass(frozen=True, kw_only=True)
class StreamedMoments:
    """Group sums that were formed while the function ran (a `MomentSource`).

    Args:
        design: The design that was evaluated.
        layout: Of the columns.
        centre: What was subtracted from each output (Q,).
        kept: Blocks that count, bool (N,).
        total: Sums of all columns (K, Q, G).
        base: Values at the rows A and B (N, 2, Q).
    """

    design: PickFreezeDesign
    layout: MomentLayout
    centre: FloatArray
    kept: np.ndarray
    total: FloatArray
    base: FloatArray

    def sums(self, outputs: slice) -> GroupSums:
        """Group sums of all columns for those outputs."""
        return GroupSums(values=self.total[:, outputs], counts=self.design.grouping.kept_counts(self.kept))

    def base_values(self, output: int) -> FloatArray:
        """Values of one output at the rows A and B (N, 2); NaN in blocks that do not count."""
        return np.where(self.kept[:, None], self.base[:, :, output], np.nan)


class _Stream:
    """One pass over a design."""

    def __init__(
        self,
        function: Callable[[Any], np.ndarray],
        design: PickFreezeDesign,
        layout: MomentLayout,
        outputs: list[str],
        on_failure: OnFailure,
        chunk: int | None,
        progress: Progress | None,
    ) -> None:
        self.function, self.design, self.layout, self.outputs = function, design, layout, outputs
        self.on_failure, self.chunk, self.progress = on_failure, chunk, progress
        inputs = design.inputs
        self.whole = inputs.has_image or inputs.repeat
        self.linear = function if isinstance(function, LinearFirst) else None
        if self.linear is not None and self.whole:
            raise ConfigError("a `LinearFirst` is a function of parameters alone; leave out images and `repeat`")
        if self.linear is not None and self.linear.weight.shape[1] != inputs.space.n_parameters:
            raise DataError(
                f"`weight` has {self.linear.weight.shape[1]} columns, but the space {inputs.space.n_parameters} "
                "parameters (fixed ones included)"
            )
        self.done = 0

    def run(self) -> StreamedMoments:
        design, q = self.design, len(self.outputs)
        base = np.empty((design.n_base, 2, q))
        self._evaluate(0, 0, base)
        kept = np.ones(design.n_base, bool)
        self._check(base, 0, 0, kept)
        require_blocks(kept, design.grouping)
        centre = centre_of(base, kept)
        total = np.zeros((self.layout.n_columns, q, design.grouping.n_groups))
        mixed: Cells = self._rank_one if self.linear and design.inputs.space.correlation is None else self._evaluate
        for span in design.grouping.chunks(q * self.layout.n_columns):
            values = np.empty((span.stop - span.start, design.rows_per_block, q))
            values[:, :2] = base[span]
            mixed(span.start, 2, values[:, 2:])
            self._check(values[:, 2:], span.start, 2, kept)
            values -= centre
            values[~kept[span]] = 0.0
            columns = pick_freeze_columns(np.ascontiguousarray(np.moveaxis(values, 0, -1)), self.layout)
            design.grouping.add(total, columns, span.start)
        require_blocks(kept, design.grouping)
        return StreamedMoments(design=design, layout=self.layout, centre=centre, kept=kept, total=total, base=base)

    def _check(self, values_nkq: FloatArray, first: int, low: int, kept: np.ndarray) -> None:
        finite = np.isfinite(values_nkq)
        if finite.all():
            return
        kept[first : first + len(finite)] &= finite.all(axis=(1, 2))
        if self.on_failure == "raise":
            block, kind, q = (int(v) for v in np.argwhere(~finite)[0])
            row = (first + block) * self.design.rows_per_block + low + kind
            raise NumericalError(
                f"output `{self.outputs[q]}` is {values_nkq[block, kind, q]} at {self.design.row_name(row)}; indices "
                'need finite values: mend the run, or give on_failure="drop"'
            )

    def _evaluate(self, first: int, low: int, out_nkq: FloatArray) -> None:
        """Values at the rows from the `low`-th on of the blocks from `first` on, row by row of the design."""
        n, width, _ = out_nkq.shape
        held = max(self.design.inputs.n_inputs, self.design.inputs.space.n_parameters)
        rows = self.chunk or max(16, min(65_536, _HELD // held))
        blocks, kinds = max(1, rows // width), min(width, rows)
        for b in range(0, n, blocks):
            for k in range(0, width, kinds):
                part = out_nkq[b : b + blocks, k : k + kinds]
                cells = self.design.cells(first + b, first + b + len(part), low + k, low + k + part.shape[1])
                where = f"rows {low + k} to {low + k + part.shape[1] - 1} of blocks {first + b} to "
                raw = call_function(
                    self.function, cells if self.whole else cells.theta, f"{where}{first + b + len(part) - 1}"
                )
                part[:] = self._values(raw, *part.shape[:2])

    def _rank_one(self, first: int, low: int, out_nkq: FloatArray) -> None:
        """The same from the first layer at A and B and the change that each group's columns make to it."""
        linear, d, columns = self.linear, self.design.n_groups, self.design.theta_columns
        if linear is None:
            return
        weight, (n, width, _) = np.ascontiguousarray(linear.weight.T), out_nkq.shape
        rows = self.chunk or max(64, _HELD // 4 // len(linear.bias))
        for b in range(0, n, _BLOCKS):
            count = min(_BLOCKS, n - b)
            theta = self.design.base(first + b, first + b + count)[1]
            start = linear.first(theta.reshape(2 * count, -1)).reshape(count, 2, -1).swapaxes(0, 1).copy()
            change = (theta[:, 1] - theta[:, 0]).astype(weight.dtype)
            kinds = max(1, rows // count)
            for k in range(0, width, kinds):
                z = np.empty((min(kinds, width - k), *start.shape[1:]), weight.dtype)
                for place, layer in enumerate(z):
                    half, i = divmod(low + k + place - 2, d)
                    np.matmul(change[:, columns[i]], weight[columns[i]], out=layer)
                    np.add(start[0], layer, out=layer) if half == 0 else np.subtract(start[1], layer, out=layer)
                with bounded_threads(2.0 * z.size * z.shape[-1]):  # a next layer of the same width, for a guess
                    where = f"first-layer values of blocks {first + b} to {first + b + count - 1}"
                    raw = call_function(linear.rest, z.reshape(-1, z.shape[-1]), where)
                values = self._values(raw, len(z), count)
                out_nkq[b : b + count, k : k + len(z)] = values.swapaxes(0, 1)

    def _values(self, values: FloatArray, blocks: int, kinds: int) -> FloatArray:
        n, q = blocks * kinds, len(self.outputs)
        if values.shape != (n, q) and not (q == 1 and values.shape == (n,)):
            raise DataError(f"the function must return ({n}, {q}) values for {n} rows, got {values.shape}")
        require_magnitude(values.reshape(n, q), self.outputs)
        self.done += n
        if self.progress is not None:
            self.progress(self.done, self.design.n_rows)
        return values.reshape(blocks, kinds, q)
