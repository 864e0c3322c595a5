import numpy as np
import pytest

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.conditional import KucherenkoDesign, PermutationDesign, SubsetDesign
from shiftgauge.estimate.copula import Redraw, normal_correlation
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ISHIGAMI, DependentLinear
from shiftgauge.space import Space

MATRIX = np.array([[1.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 1.0]])
TIED = DependentLinear(weights=(1.0, 2.0, -1.0), covariance=MATRIX)
DESIGNS = [KucherenkoDesign, SubsetDesign, PermutationDesign]


def score(design, rows):
    from scipy.special import ndtri

    return ndtri(rows.unit).reshape(design.n_base, design.rows_per_block, -1)


@pytest.mark.parametrize("drawn", [[], [0], [2], [0, 1], [0, 2], [0, 1, 2]])
def test_redrawn_scores_keep_the_joint_distribution(drawn):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200_000, 3)) @ np.linalg.cholesky(MATRIX).T
    moved = Redraw.of(MATRIX, drawn)(z, rng.normal(size=z.shape))
    kept = [i for i in range(3) if i not in drawn]
    assert np.array_equal(moved[:, kept], z[:, kept])
    assert np.cov(moved.T) == pytest.approx(MATRIX, abs=0.02)
    if drawn and kept:  # what is new depends on the old scores by way of the kept ones alone
        slope = MATRIX[np.ix_(drawn, kept)] @ np.linalg.inv(MATRIX[np.ix_(kept, kept)])
        fresh, old = moved[:, drawn] - z[:, kept] @ slope.T, z[:, drawn] - z[:, kept] @ slope.T
        across = np.corrcoef(fresh.T, old.T)[: len(drawn), len(drawn) :]
        assert np.abs(across).max() < 0.02


@pytest.mark.parametrize("kind", DESIGNS)
def test_every_row_follows_the_distribution_of_the_inputs(kind):
    design = kind(inputs=Inputs(space=TIED.space), n_base=4096)
    theta = design.rows(0, design.n_rows).theta.reshape(design.n_base, -1, 3)
    for k in range(design.rows_per_block):
        assert np.cov(theta[:, k].T) == pytest.approx(MATRIX, abs=0.06)
        assert np.abs(theta[:, k].mean(axis=0)).max() < 0.05


@pytest.mark.parametrize("kind", DESIGNS)
def test_rows_do_not_depend_on_the_chunks(kind):
    design = kind(inputs=Inputs(space=TIED.space, n_images=5, repeat=True), n_base=8, replicates=4)
    whole = design.rows(0, design.n_rows)
    for cut in (3, 7, design.rows_per_block):
        parts = [design.rows(s, min(s + cut, design.n_rows)) for s in range(0, design.n_rows, cut)]
        for name in ("unit", "theta", "image", "stream"):
            assert np.array_equal(np.concatenate([getattr(p, name) for p in parts]), getattr(whole, name))
    assert len(design.rows(5, 5)) == 0
    with pytest.raises(ConfigError, match="outside the design"):
        design.rows(0, design.n_rows + 1)


def test_independent_inputs_give_the_rows_of_pick_freeze():
    inputs = Inputs(space=ISHIGAMI.space, n_images=7, repeat=True)
    plain = PickFreezeDesign(inputs=inputs, n_base=64, second_order=True, seed=3)
    design = KucherenkoDesign(inputs=inputs, n_base=64, seed=3)
    mine, theirs = design.rows(0, design.n_rows), plain.rows(0, plain.n_rows)
    d = 5
    order = [0, 1, *range(2 + d, 2 + 2 * d), *range(2, 2 + d)]  # A, B, then BA, then AB
    index = (np.arange(64)[:, None] * plain.rows_per_block + np.array(order)).ravel()
    assert np.allclose(mine.theta, theirs.theta[index], atol=1e-9)
    assert np.array_equal(mine.image, theirs.image[index])
    assert np.array_equal(mine.stream, theirs.stream[index])


def test_permutations_redraw_one_group_more_at_a_time():
    design = PermutationDesign(inputs=Inputs(space=TIED.space), n_base=16, replicates=4)
    z = score(design, design.rows(0, design.n_rows))
    for n, order in enumerate(design.orders(0, 16)):
        assert sorted(order) == [0, 1, 2]
        for k in range(1, 4):
            changed = set(np.flatnonzero(np.abs(z[n, k] - z[n, 0]) > 1e-9))
            assert changed == set(order[:k].tolist())
    counts = np.bincount(design.orders(0, 16)[:, 0], minlength=3)
    assert counts.min() > 0


def test_subsets_redraw_their_groups():
    groups = {"pair": ["x1", "x3"]}
    design = SubsetDesign(inputs=Inputs(space=TIED.space), n_base=16, replicates=4, groups=groups)
    assert design.names == ("pair", "x2")
    assert design.redrawn == ((), (0, 2), (1,), (0, 1, 2))
    z = score(design, design.rows(0, design.n_rows))
    for k, columns in enumerate(design.redrawn):
        changed = np.abs(z[:, k] - z[:, 0]) > 1e-9
        assert (changed == np.isin(np.arange(3), columns)).all()


def test_normal_correlation_reproduces_the_rank_correlation():
    from scipy.stats import spearmanr

    rank = np.array([[1.0, 0.7], [0.7, 1.0]])
    space = Space(Space.from_dict({"a": {"low": 0, "high": 1}, "b": {"low": 5, "high": 9}}).parameters, rank)
    inputs = Inputs(space=space, n_images=3)
    assert normal_correlation(inputs)[0].tolist() == [1, 0, 0]
    design = KucherenkoDesign(inputs=inputs, n_base=4096)
    theta = design.rows(0, design.n_rows).theta
    assert spearmanr(theta).statistic == pytest.approx(0.7, abs=0.01)


def test_wrong_designs_are_refused():
    inputs = Inputs(space=TIED.space)
    with pytest.raises(ConfigError, match="`n_base`"):
        KucherenkoDesign(inputs=inputs, n_base=8)
    with pytest.raises(ConfigError, match="`replicates`"):
        KucherenkoDesign(inputs=inputs, n_base=64, replicates=1)
    with pytest.raises(ConfigError, match="design"):
        KucherenkoDesign(inputs=inputs, n_base=64, method="sobel").rows(0, 1)
    wide = Inputs(space=Space.from_dict({f"x{i}": {"low": 0, "high": 1} for i in range(13)}))
    with pytest.raises(ConfigError, match="PermutationDesign"):
        SubsetDesign(inputs=wide, n_base=64)
