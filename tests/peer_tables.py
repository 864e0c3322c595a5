"""What SALib and OpenTURNS give for fixed samples, kept so that they need not be installed.

The tables were printed by `python tests/peer_tables.py` with SALib 1.6.0 and OpenTURNS 1.27. All samples are lattices
(multiples of square roots of primes, modulo 1), so that they depend on no random generator.
"""

import numpy as np

N, D = 512, 3
STEP = 1e-4

# of the Ishigami function: vi = mean squared difference quotient, dgsm = the bound of the total index
DGSM = {
    "vi": [7.62114234317785, 24.62648274158886, 10.953018409999327],
    "dgsm": [2.2289565415423622, 7.2025107694230615, 3.2034307896710796],
}
# of two outputs together, after Saltelli (first order) and Jansen (total order)
AGGREGATED = {
    "first": [0.4371537417747631, 0.12929832798089771, -0.012962231862699389],
    "total": [0.507859985911598, 0.43473129747935063, 0.3785022407239064],
}


def ishigami(x: np.ndarray) -> np.ndarray:
    """sin x1 + 7 sin² x2 + 0.1 x3⁴ sin x1."""
    return np.sin(x[:, 0]) * (1 + 0.1 * x[:, 2] ** 4) + 7 * np.sin(x[:, 1]) ** 2


def lattice(columns: int) -> np.ndarray:
    """Points of [-π, π]^columns (N, columns)."""
    primes = [2, 3, 5, 7, 11, 13][:columns]
    return np.pi * (2 * ((np.arange(1, N + 1)[:, None] * np.sqrt(primes)) % 1) - 1)


def difference_quotients() -> tuple[np.ndarray, np.ndarray]:
    """Values (N,) and forward difference quotients (N, D) of the Ishigami function at the lattice."""
    x = lattice(D)
    y = ishigami(x)
    moved = [ishigami(x + STEP * (np.arange(D) == i)) for i in range(D)]
    return y, (np.stack(moved, axis=1) - y[:, None]) / STEP


def two_outputs(x: np.ndarray) -> np.ndarray:
    """The Ishigami function and another one of the same inputs (n, 2)."""
    return np.column_stack([ishigami(x), 2 * x[:, 0] + x[:, 1] * x[:, 2]])


def blocks() -> np.ndarray:
    """Both outputs in the order A, B, AB_1 … AB_d of each block (N, D + 2, 2)."""
    x = lattice(2 * D)
    a, b = x[:, :D], x[:, D:]
    mixed = [np.where(np.arange(D) == i, b, a) for i in range(D)]
    return np.stack([two_outputs(r) for r in (a, b, *mixed)], axis=1)


def salib_dgsm() -> dict[str, list[float]]:
    """SALib's derivative-based measures."""
    from SALib.analyze import dgsm

    x = lattice(D)
    rows = np.concatenate([x[:, None], x[:, None] + STEP * np.eye(D)], axis=1).reshape(-1, D)
    problem = {"num_vars": D, "names": ["x1", "x2", "x3"], "bounds": [[-np.pi, np.pi]] * D}
    found = dgsm.analyze(problem, rows, ishigami(rows), num_resamples=2)
    return {name: found[name].tolist() for name in ("vi", "dgsm")}


def openturns_aggregated() -> dict[str, list[float]]:
    """OpenTURNS' aggregated indices."""
    import openturns as ot

    x = lattice(2 * D)
    a, b = x[:, :D], x[:, D:]
    rows = np.concatenate([a, b, *(np.where(np.arange(D) == i, b, a) for i in range(D))])
    values = ot.Sample(two_outputs(rows))
    saltelli = ot.SaltelliSensitivityAlgorithm(ot.Sample(rows), values, N)
    jansen = ot.JansenSensitivityAlgorithm(ot.Sample(rows), values, N)
    return {
        "first": list(saltelli.getAggregatedFirstOrderIndices()),
        "total": list(jansen.getAggregatedTotalOrderIndices()),
    }


if __name__ == "__main__":
    print("DGSM =", salib_dgsm())
    print("AGGREGATED =", openturns_aggregated())
