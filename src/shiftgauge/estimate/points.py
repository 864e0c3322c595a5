"""Points of the unit cube, made page by page: the same for any chunking, whatever was asked before."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from scipy.stats import qmc

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.random import check_seed, generator
from shiftgauge.types import UnitNP

Method: TypeAlias = Literal["sobol", "halton", "lhs", "random"]
METHODS: Final[tuple[str, ...]] = get_args(Method)
_PAGE: Final = 4096
_WIDE: Final = 512
"""From here on a page has fewer rows, so that it stays below 16 MB, and `sobol` shares one scrambled matrix."""
_SOBOL_MAX_DIMENSION: Final = 21201
_BITS: Final = 30


def unit_design(n: int, d: int, method: str = "sobol", seed: int = 0) -> UnitNP:
    """Draws n points of the d-dimensional unit cube.

    Args:
        n: Number of points, ≥ 1; a power of two keeps the balance of a Sobol' sequence.
        d: Number of dimensions, ≥ 1.
        method: `sobol` (scrambled), `halton` (scrambled), `lhs` (Latin hypercube) or `random`.
        seed: Whole number ≥ 0.

    Returns:
        Points (n, d) in [0, 1).

    Raises:
        ConfigError: Unknown method, or a number outside its range.

    Example:
        >>> unit_design(8, 2, "sobol", seed=1).shape
        (8, 2)
        >>> import numpy as np
        >>> np.sort((unit_design(4, 1, "lhs", seed=1)[:, 0] * 4).astype(int)).tolist()
        [0, 1, 2, 3]

    References:
        Owen, A. B. (1998). Scrambling Sobol' and Niederreiter-Xing points. doi:10.1006/jcom.1998.0487
        McKay, M. D., Beckman, R. J., Conover, W. J. (1979). Latin hypercube. doi:10.2307/1268522
    """
    source = Points(require_positive_int("n", n), require_positive_int("d", d), method, seed, 1)
    return source.take(0, n)


class Points:
    """n points of R independent sequences in turn: point j belongs to the sequence j mod R.

    Each sequence has a scrambling of its own. Beyond 512 columns, where the scrambled matrices would take longer than
    all the rest, the sequences of `sobol` share one scrambled matrix and differ by independent digital shifts, each of
    which alone makes the points uniform.

    Args:
        n: Number of points.
        d: Number of columns.
        method: `sobol`, `halton`, `lhs` or `random`.
        seed: Whole number ≥ 0.
        replicates: R ≥ 1.

    Raises:
        ConfigError: Unknown method, or more columns or points than Sobol' sequences have.

    References:
        L'Ecuyer, P., Lemieux, C. (2002). Recent advances in randomized quasi-Monte Carlo (digital shifts).
            doi:10.1007/0-306-48102-2_20
    """

    def __init__(self, n: int, d: int, method: str, seed: int, replicates: int) -> None:
        self.n, self.d, self.seed, self.replicates = n, d, check_seed(seed), replicates
        self.page = max(1, min(_PAGE, _PAGE * _WIDE // max(d, 1)) // replicates) * replicates
        self.method = require_in("design", method, METHODS)
        if self.method == "sobol" and d > _SOBOL_MAX_DIMENSION:
            raise ConfigError(f"a Sobol' design has at most {_SOBOL_MAX_DIMENSION} columns, got {d}; use `random`")
        if self.method == "sobol" and -(-n // replicates) > 2**_BITS:
            raise ConfigError(
                f"a Sobol' sequence has at most 2^{_BITS} points, got {-(-n // replicates):,} for each of {replicates} "
                "replicate(s); use `halton` or `random`"
            )
        self._engines: dict[int, qmc.QMCEngine] = {}
        self._number = -1
        self._points: UnitNP = np.empty((0, d))

    def take(self, start: int, stop: int) -> UnitNP:
        """Points [start, stop), whatever was taken before."""
        out = np.empty((stop - start, self.d))
        position = start
        while position < stop:
            page, offset = divmod(position, self.page)
            points = self._page(page)
            count = min(stop - position, len(points) - offset)
            out[position - start : position - start + count] = points[offset : offset + count]
            position += count
        return out

    def _page(self, number: int) -> UnitNP:
        if self.method == "lhs":
            return self._latin[number * self.page : (number + 1) * self.page]
        if number != self._number:
            self._points, self._number = self._make(number), number
        return self._points

    def _make(self, number: int) -> UnitNP:
        if self.method == "random":
            return generator(self.seed, "design", "random", self.d, number).random((self.page, self.d))
        before, count = number * self.page // self.replicates, min(self.page, self.n - number * self.page)
        if self.method == "sobol" and self.d > _WIDE and self.replicates > 1:
            return self._shifted(before, count)
        return self._interleaved(count, lambda k, length: self._sequence(k, before, length))

    def _sequence(self, k: int, before: int, length: int) -> UnitNP:
        """Points [before, before + length) of the sequence k, whose engine is kept."""
        if k not in self._engines:
            options: dict[str, Any] = {"seed": self._generator(k)}
            kind = qmc.Sobol if self.method == "sobol" else qmc.Halton
            self._engines[k] = kind(self.d, scramble=True, **options)
        engine = self._engines[k]
        if engine.num_generated > before:
            engine.reset()
        if engine.num_generated < before:
            engine.fast_forward(before - engine.num_generated)
        if before or length == 1:
            return engine.random(length)
        # one point first: a first draw that is no power of two warns
        return np.concatenate([engine.random(1), engine.random(length - 1)])

    def _shifted(self, before: int, count: int) -> UnitNP:
        """One scrambled sequence, each replicate with a digital shift of its own."""
        longest = -(-count // self.replicates)
        digits = (self._sequence(0, before, longest) * 2.0**_BITS).astype(np.int64)

        def sequence(k: int, length: int) -> UnitNP:
            shift = self._generator(k, "shift").integers(2**_BITS, size=self.d)
            return (digits[:length] ^ shift).astype(np.float64) * 2.0**-_BITS

        return self._interleaved(count, sequence)

    @cached_property
    def _latin(self) -> UnitNP:
        def cube(k: int, length: int) -> UnitNP:
            options: dict[str, Any] = {"seed": self._generator(k, self.n)}
            return qmc.LatinHypercube(self.d, **options).random(length)

        return self._interleaved(self.n, cube)

    def _generator(self, k: int, *names: str | int) -> np.random.Generator:
        replicate = () if self.replicates == 1 else ("replicate", k)
        return generator(self.seed, "design", self.method, self.d, *names, *replicate)

    def _interleaved(self, count: int, sequence: Callable[[int, int], UnitNP]) -> UnitNP:
        """`count` points, the j-th from the sequence j mod R."""
        points = np.empty((count, self.d))
        for k in range(min(self.replicates, count)):
            points[k :: self.replicates] = sequence(k, len(range(k, count, self.replicates)))
        return points
