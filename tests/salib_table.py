"""Values of the Ishigami function at fixed pick-freeze points, and SALib's indices of just these values.

The table was printed by `python tests/salib_table.py` with SALib 1.6 installed. The points are a lattice
(multiples of square roots of primes, modulo 1), so that they depend on no random generator.
"""

import numpy as np

N, D = 512, 3

# S1 and ST without BA rows; S1, ST and S2 (pairs 01, 02, 12) with them
SALIB = {
    False: (
        [0.26839235101520165, 0.45788307520167765, -0.01655643209266142],
        [0.43376348912850027, 0.43799456205007153, 0.23854064563493263],
        [],
    ),
    True: (
        [0.268393295389769, 0.45788283961020715, -0.016558423911378163],
        [0.4337634891285002, 0.4379945620500714, 0.23854064563493263],
        [0.0187096867503333, 0.28185376675047785, -0.02854996275682683],
    ),
}


def blocks(second_order: bool) -> np.ndarray:
    """Values in the order A, B, AB_1 … AB_d, BA_1 … BA_d of each block (N, rows_per_block)."""
    unit = (np.arange(1, N + 1)[:, None] * np.sqrt([2, 3, 5, 7, 11, 13])) % 1
    x = np.pi * (2 * unit - 1)
    a, b = x[:, :D], x[:, D:]
    rows = [a, b]
    for one, other in ((a, b), (b, a))[: 1 + second_order]:
        for i in range(D):
            mixed = one.copy()
            mixed[:, i] = other[:, i]
            rows.append(mixed)
    return np.stack([np.sin(r[:, 0]) * (1 + 0.1 * r[:, 2] ** 4) + 7 * np.sin(r[:, 1]) ** 2 for r in rows], axis=1)


def salib(second_order: bool) -> tuple[list[float], list[float], list[float]]:
    """SALib's first, total and second-order indices of these values."""
    from SALib.analyze import sobol

    problem = {"num_vars": D, "names": ["x1", "x2", "x3"], "bounds": [[-np.pi, np.pi]] * D}
    order = [0, *range(2, 2 + D * (1 + second_order)), 1]  # SALib's blocks end with B
    y = blocks(second_order)[:, order].ravel()
    found = sobol.analyze(problem, y, calc_second_order=second_order, num_resamples=2, seed=0)
    pairs = found["S2"][np.triu_indices(D, 1)].tolist() if second_order else []
    return found["S1"].tolist(), found["ST"].tolist(), pairs


if __name__ == "__main__":
    for second_order in (False, True):
        print(second_order, salib(second_order))
