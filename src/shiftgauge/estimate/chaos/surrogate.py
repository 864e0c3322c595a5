"""A fitted polynomial chaos: predictions, moments and indices, for any number of outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError, DataError, StoreError
from shiftgauge.estimate.chaos.basis import Basis, bases_from_arrays, bases_to_arrays
from shiftgauge.estimate.chaos.index_set import IndexSet
from shiftgauge.estimate.chaos.indices import chaos_columns, component_matrix, group_support, subset_variances
from shiftgauge.estimate.chaos.vandermonde import vandermonde
from shiftgauge.estimate.moments import MomentLayout
from shiftgauge.estimate.threads import bounded_threads
from shiftgauge.files import write_atomic
from shiftgauge.types import FloatArray

_CHUNK: Final = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class ChaosSurrogate:
    """g(x) = Σ c_α φ_α(x), orthonormal terms, so that Var g = Σ c_α² over all terms but the constant.

    Its points are `Inputs.coordinates`: image index, the physical value of each varying parameter, 0 for `repeat`.

    Args:
        names: The d inputs.
        outputs: The Q outputs.
        bases: One per input.
        indices: Multi-indices (P, d); the first is the constant.
        coefficients: (P, Q).
        q2: 1 - leave-one-out (or cross-fitted) error / variance (Q,).
        n_points: Rows that it was fitted to.
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    bases: tuple[Basis, ...]
    indices: IndexSet
    coefficients: FloatArray
    q2: FloatArray
    n_points: int

    @property
    def n_terms(self) -> int:
        """Number of terms P."""
        return len(self.indices)

    @property
    def mean(self) -> FloatArray:
        """Mean of each output (Q,)."""
        return self.coefficients[0]

    @property
    def variance(self) -> FloatArray:
        """Variance of each output (Q,)."""
        return (self.coefficients[1:] ** 2).sum(axis=0)

    def predict(self, coordinates: FloatArray) -> FloatArray:
        """Values (n, Q) at points (n, d); bounded probabilities may be overshot, nothing is clipped.

        Raises:
            DataError: The points have another number of columns than there are inputs.
        """
        points = np.asarray(coordinates, float)
        if points.ndim != 2 or points.shape[1] != len(self.names):
            raise DataError(f"points must have {len(self.names)} columns ({', '.join(self.names)}), got {points.shape}")
        out = np.empty((len(points), self.coefficients.shape[1]))
        with bounded_threads(2.0 * min(len(points), _CHUNK) * self.coefficients.size):
            for start in range(0, len(points), _CHUNK):
                span = slice(start, start + _CHUNK)
                out[span] = vandermonde(self.bases, self.indices, points[span]).T @ self.coefficients
        return out

    def conditional_mean(self, columns: Sequence[int | str], values: FloatArray) -> FloatArray:
        """E[g | x_i, i in columns], all other inputs averaged.

        Args:
            columns: Inputs that are given, by name or position.
            values: Their values (n, len(columns)).

        Returns:
            (n, Q).

        Raises:
            ConfigError: No such input.
            DataError: Values of another shape.
        """
        places = [self._place(column) for column in columns]
        points = np.asarray(values, float)
        if points.ndim != 2 or points.shape[1] != len(places):
            raise DataError(f"`values` must have one column for each of {list(columns)}, got the shape {points.shape}")
        others = [i for i in range(len(self.names)) if i not in places]
        kept = (self.indices[:, others] == 0).all(axis=1)
        bases = [self.bases[i] for i in places]
        return vandermonde(bases, self.indices[kept][:, places], points).T @ self.coefficients[kept]

    def _place(self, column: int | str) -> int:
        if isinstance(column, str):
            return self.names.index(require_in("input", column, self.names))
        if not 0 <= column < len(self.names):
            raise ConfigError(f"`columns` must be names or positions below {len(self.names)}, got {column}")
        return int(column)

    def subsets(self) -> dict[tuple[str, ...], FloatArray]:
        """Sobol' index of every subset of inputs that has terms: names → (Q,); they sum to 1.

        Example:
            >>> from shiftgauge.estimate.chaos.basis import legendre
            >>> line = ChaosSurrogate(
            ...     names=("a", "b"), outputs=("y",), bases=(legendre(0, 1), legendre(0, 1)),
            ...     indices=np.array([[0, 0], [1, 0], [1, 1]]), coefficients=np.array([[0.0], [3.0], [1.0]]),
            ...     q2=np.ones(1), n_points=9)
            >>> {"×".join(k): round(float(v[0]), 3) for k, v in line.subsets().items()}
            {'a': 0.9, 'a×b': 0.1}
        """
        found = subset_variances(self.indices, self.coefficients)
        return {tuple(self.names[i] for i in u): _share(v, self.variance) for u, v in found.items()}

    def first_order(self) -> FloatArray:
        """S_i (Q, d)."""
        return self._table("first")

    def total_order(self) -> FloatArray:
        """S_Ti (Q, d)."""
        return self._table("total")

    def second_order(self) -> FloatArray:
        """S_ij of exactly two inputs (Q, d, d), NaN on the diagonal."""
        used = self.indices > 0
        meet = np.flatnonzero(used.sum(axis=1) == 2)
        i, j = np.nonzero(used[meet])[1].reshape(-1, 2).T
        d, n_outputs = len(self.names), len(self.outputs)
        flat = np.zeros((d * d, n_outputs))
        np.add.at(flat, i * d + j, _share(self.coefficients[meet] ** 2, self.variance))
        upper = flat.T.reshape(n_outputs, d, d)
        out = upper + upper.swapaxes(1, 2)
        out[:, np.arange(d), np.arange(d)] = np.nan
        return out

    def closed(self, names: Sequence[str]) -> FloatArray:
        """Share explained by some inputs together (Q,).

        Raises:
            ConfigError: A name is no input.
        """
        for name in names:
            if name not in self.names:
                raise ConfigError(f"`{name}` is no input; inputs are {', '.join(self.names)}")
        others = [i for i, name in enumerate(self.names) if name not in names]
        inside = (self.indices[:, others] == 0).all(axis=1)
        return _share((self.coefficients[inside] ** 2).sum(axis=0) - self.mean**2, self.variance)

    def _table(self, part: str) -> FloatArray:
        d = len(self.names)
        layout = MomentLayout(d=d, second_order=False, with_pairs=False)
        matrix = component_matrix(group_support(self.indices, [(i,) for i in range(d)]), layout)
        columns = chaos_columns(self.coefficients, matrix)[getattr(layout, part)]
        return _share(columns, self.variance).T

    def to_arrays(self) -> dict[str, Any]:
        """Everything as plain NumPy arrays, for files.

        Example:
            >>> from shiftgauge.estimate.chaos.basis import legendre
            >>> g = ChaosSurrogate(names=("a",), outputs=("y",), bases=(legendre(0, 1),), indices=np.array([[0], [1]]),
            ...                    coefficients=np.ones((2, 1)), q2=np.ones(1), n_points=9)
            >>> bool(ChaosSurrogate.from_arrays(g.to_arrays()).predict(np.ones((1, 1))) == g.predict(np.ones((1, 1))))
            True
        """
        return {
            "names": np.array(self.names),
            "outputs": np.array(self.outputs),
            "indices": self.indices,
            "coefficients": self.coefficients,
            "q2": self.q2,
            "n_points": np.array(self.n_points),
            **bases_to_arrays(self.bases),
        }

    def save(self, path: str | Path) -> Path:
        """Writes the surrogate to a NumPy archive, whole or not at all; the name ends in `.npz`.

        Args:
            path: The file; a missing `.npz` is added.

        Returns:
            The file that was written.

        Raises:
            StoreError: The file cannot be written.
        """
        target = Path(path)
        target = target if target.suffix == ".npz" else target.with_name(target.name + ".npz")
        content = BytesIO()
        np.savez_compressed(content, allow_pickle=False, **self.to_arrays())
        return write_atomic(target, content.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> "ChaosSurrogate":
        """Reads what `save` wrote; nothing in the file is executed.

        Raises:
            StoreError: The file cannot be read.
            DataError: It holds no surrogate.

        Example:
            >>> import tempfile
            >>> from shiftgauge.estimate.chaos.basis import legendre
            >>> g = ChaosSurrogate(names=("a",), outputs=("y",), bases=(legendre(0, 1),), indices=np.array([[0], [1]]),
            ...                    coefficients=np.ones((2, 1)), q2=np.ones(1), n_points=9)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     again = ChaosSurrogate.load(g.save(f"{folder}/g.npz"))
            >>> bool(again.predict(np.ones((1, 1))) == g.predict(np.ones((1, 1))))
            True
        """
        try:
            with np.load(BytesIO(Path(path).read_bytes()), allow_pickle=False) as arrays:
                return cls.from_arrays(arrays)
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
        except (BadZipFile, KeyError, ValueError, EOFError, TypeError) as error:
            raise DataError(f"{path} holds no surrogate; give a file that `ChaosSurrogate.save` wrote") from error

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "ChaosSurrogate":
        """The surrogate that `to_arrays` described."""
        names = tuple(str(v) for v in arrays["names"])
        return cls(
            names=names,
            outputs=tuple(str(v) for v in arrays["outputs"]),
            bases=bases_from_arrays(arrays, len(names)),
            indices=np.asarray(arrays["indices"], np.int64),
            coefficients=np.asarray(arrays["coefficients"], float),
            q2=np.asarray(arrays["q2"], float),
            n_points=int(arrays["n_points"]),
        )


def _share(part: FloatArray, variance_q: FloatArray) -> FloatArray:
    known = variance_q > 0
    return np.where(known, part / np.where(known, variance_q, 1.0), np.nan)
