import numpy as np
import pytest

from shiftgauge.errors import ConfigError, DataError, NumericalError
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.morris import elementary_effects
from shiftgauge.estimate.reference import ISHIGAMI, ImageStudy, morris, weld_polynomial
from shiftgauge.estimate.trajectories import MorrisDesign, spread
from shiftgauge.space import Space

LAYOUTS = ["trajectory", "radial"]


def run(reference, confidence_level=0.95, **options):
    design = MorrisDesign(inputs=Inputs(space=reference.space), **options)
    y = reference.function(design.rows(0, design.n_rows).theta)
    return design, elementary_effects(design, y, outputs=["y"], confidence_level=confidence_level)


def test_another_package_gives_the_same():
    # SALib 1.6.0: X, Y as here; problem of 3 inputs on [-pi, pi];
    # SALib.analyze.morris.analyze(problem, X, Y, num_levels=4), and with groups ["g", "x2", "g"]
    design, found = run(ISHIGAMI, n_trajectories=10)
    assert design.n_rows == 40
    assert found.mu[0] == pytest.approx([7.704054111593105, -1.5750000000000028, 1.2497592206666235])
    assert found.mu_star[0] == pytest.approx([7.704054111593105, 7.875, 3.7492776619998702])
    assert found.sigma[0] == pytest.approx([6.586809440172512, 8.133265027035575, 7.0942108777036665])
    _, grouped = run(ISHIGAMI, n_trajectories=10, groups={"g": ["x1", "x3"]})
    assert grouped.names == ("g", "x2")
    assert grouped.mu_star[0] == pytest.approx([7.704054111593105, 7.874999999999998])
    assert np.isnan(grouped.mu[0, 0])
    assert np.isnan(grouped.sigma_interval[0, 0]).all()
    assert not np.isnan(grouped.mu[0, 1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_linear_function_has_its_slopes_as_effects(layout):
    space = Space.from_dict({"a": {"low": 0, "high": 2}, "b": {"low": -1, "high": 1}, "k": {"values": [0, 1, 5]}})
    design = MorrisDesign(inputs=Inputs(space=space), layout=layout)
    theta = design.rows(0, design.n_rows).theta
    found = elementary_effects(design, 3 * theta[:, 0] - theta[:, 1], outputs=["y"])
    assert found.mu[0] == pytest.approx([6, -2, 0], abs=1e-9)
    assert found.mu_star[0] == pytest.approx([6, 2, 0], abs=1e-9)
    assert found.sigma[0] == pytest.approx([0, 0, 0], abs=1e-6)
    assert found.effects.shape == (1, 3, 20)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_row_moves_one_group(layout):
    space = Space.from_dict({n: {"low": 0, "high": 1} for n in "abcd"})
    design = MorrisDesign(inputs=Inputs(space=space), layout=layout, groups={"g": ["a", "c"]}, n_trajectories=9)
    assert design.names == ("g", "b", "d")
    places = design.positions(0, design.n_rows).reshape(9, 4, 4)
    for block, order in zip(places, design.moved, strict=True):
        for k in range(3):
            before = block[0] if layout == "radial" else block[k]
            changed = np.flatnonzero(block[k + 1] != before)
            assert changed.tolist() == list(list(design.group_columns.values())[order[k]])
    if layout == "trajectory":
        assert np.allclose(np.unique(places), [0, 1 / 3, 2 / 3, 1])
        assert np.allclose(np.abs(design.away - design.base), 2 / 3)
    else:
        assert np.abs(design.away - design.base).min() >= 0.25


@pytest.mark.parametrize("layout", LAYOUTS)
def test_intervals_cover_the_truth_as_often_as_they_say(layout):
    _, large = run(ISHIGAMI, layout=layout, n_trajectories=50_000)
    hits = []
    for seed in range(300):
        _, found = run(ISHIGAMI, layout=layout, n_trajectories=40, seed=seed)
        pairs = [(getattr(large, n)[0], getattr(found, f"{n}_interval")[0]) for n in ("mu", "mu_star")]
        hits.append([(i[:, 0] - 1e-9 <= t) & (t <= i[:, 1] + 1e-9) for t, i in pairs])
    # x2's mean absolute effect is the same in every trajectory of the grid
    assert 0.91 <= np.mean(hits) <= 0.985


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_ten_inputs_that_matter_are_found(layout):
    reference = morris()
    _, found = run(reference, layout=layout, n_trajectories=20)
    assert set(np.argsort(found.mu_star[0])[-10:].tolist()) == set(range(10))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_discrete_inputs_always_change_their_value(layout):
    space = Space.from_dict(
        {
            "flag": {"values": [0, 1], "probabilities": [0.9, 0.1]},
            "odd": {"values": [2, 3, 10]},
            "many": {"values": list(range(7))},
            "n": {"distribution": "normal", "mean": 0, "std": 1},
        }
    )
    design = MorrisDesign(inputs=Inputs(space=space, n_images=5, repeat=True), layout=layout, n_trajectories=60)
    rows = design.rows(0, design.n_rows)
    assert np.isfinite(rows.theta).all()
    assert np.abs(rows.theta[:, 3]).max() < 2.6
    values = np.column_stack([rows.theta, rows.image, rows.stream % 2])
    found = elementary_effects(design, values, outputs=["flag", "odd", "many", "n", "image", "repeat"])
    assert found.names == ("image", "flag", "odd", "many", "n", "repeat")
    for q, i in ((0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (5, 5)):
        assert (np.abs(found.effects[q, i]) > 0).all()
        others = np.delete(np.arange(6), i)
        assert found.mu_star[q, others] == pytest.approx(0, abs=1e-9)
    assert found.mu[0, 1] == pytest.approx(1)
    assert np.isnan(found.mu[:, [0, 5]]).all()
    assert set(np.unique(rows.theta[:, 1])) == {2, 3, 10}


def test_image_study_ranks_its_inputs():
    study = ImageStudy(n_images=20)
    design = MorrisDesign(inputs=Inputs(space=study.space, n_images=20), n_trajectories=40)
    found = elementary_effects(design, study.function(design.rows(0, design.n_rows)), outputs=["y"])
    assert (found.mu_star[0] > 0.1).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_do_not_depend_on_the_chunks(layout):
    space = weld_polynomial().space
    design = MorrisDesign(inputs=Inputs(space=space, n_images=3, repeat=True), layout=layout, n_trajectories=7)
    whole = design.rows(0, design.n_rows)
    parts = [design.rows(s, min(s + 5, design.n_rows)) for s in range(0, design.n_rows, 5)]
    for name in ("unit", "theta", "image", "stream"):
        assert np.array_equal(np.concatenate([getattr(p, name) for p in parts]), getattr(whole, name))
    with pytest.raises(ConfigError, match="outside the design"):
        design.rows(0, design.n_rows + 1)


def test_thousands_of_inputs_take_little_memory():
    import tracemalloc

    space = Space.from_dict({f"x{i}": {"low": 0, "high": 1} for i in range(2000)})
    tracemalloc.start()
    design = MorrisDesign(inputs=Inputs(space=space), layout="radial", n_trajectories=10)
    assert design.rows(2000, 2100).theta.shape == (100, 2000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


def test_chosen_trajectories_lie_farther_apart_and_carry_a_warning():
    inputs = Inputs(space=ISHIGAMI.space)
    plain = MorrisDesign(inputs=inputs, n_trajectories=8)
    chosen = MorrisDesign(inputs=inputs, n_trajectories=8, candidates=100)

    def distance(design):
        p = design.positions(0, design.n_rows).reshape(8, 4, 3)
        return sum(np.linalg.norm(p[a][:, None] - p[b][None], axis=-1).sum() ** 2 for a in range(8) for b in range(a))

    assert distance(chosen) > distance(plain)
    y = ISHIGAMI.function(chosen.rows(0, 32).theta)
    assert [s.code for s in elementary_effects(chosen, y, outputs=["y"]).status] == ["chosen_trajectories"]


def test_spread_takes_the_set_that_adds_most_each_time():
    places = np.random.default_rng(0).random((12, 3, 2))
    table = np.array(
        [[np.linalg.norm(a[:, None] - b[None], axis=-1).sum() ** 2 * (a is not b) for b in places] for a in places]
    )
    np.fill_diagonal(table, 0)
    taken = list(np.unravel_index(table.argmax(), table.shape))
    while len(taken) < 5:
        rest = [i for i in range(12) if i not in taken]
        taken.append(max(rest, key=lambda i: table[i, taken].sum()))
    assert spread(places, 5).tolist() == sorted(int(i) for i in taken)


def test_many_outputs_constant_output_and_few_trajectories():
    design = MorrisDesign(inputs=Inputs(space=ISHIGAMI.space), n_trajectories=4)
    y = ISHIGAMI.function(design.rows(0, 16).theta)
    found = elementary_effects(design, np.column_stack([y, -2 * y, np.ones(16)]), outputs=["a", "b", "flat"])
    assert found.mu[1] == pytest.approx(-2 * found.mu[0])
    assert found.mu_star[1] == pytest.approx(2 * found.mu_star[0])
    assert found.mu_star[2].tolist() == [0, 0, 0]
    assert found.defined.tolist() == [True, True, False]
    assert [s.code for s in found.status] == ["constant_output", "few_trajectories"]
    assert "all its effects are 0" in found.status[0].message
    assert not found.mu_star[~found.defined].any()


def test_same_seed_same_rows():
    rows = [
        MorrisDesign(inputs=Inputs(space=ISHIGAMI.space), seed=s, layout=layout).rows(0, 80).unit
        for layout in LAYOUTS
        for s in (0, 0, 1)
    ]
    for one, again, other in (rows[:3], rows[3:]):
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)


def test_wrong_designs_and_values_are_refused():
    inputs = Inputs(space=ISHIGAMI.space)
    with pytest.raises(ConfigError, match="`levels` must be even"):
        MorrisDesign(inputs=inputs, levels=5)
    with pytest.raises(ConfigError, match="`candidates`"):
        MorrisDesign(inputs=inputs, n_trajectories=10, candidates=5)
    with pytest.raises(ConfigError, match="`candidates` must be at most"):
        MorrisDesign(inputs=inputs, n_trajectories=10, candidates=100_000)
    with pytest.raises(ConfigError, match="layout"):
        MorrisDesign(inputs=inputs, layout="star")
    design = MorrisDesign(inputs=inputs)
    y = np.ones(80)
    with pytest.raises(DataError, match="80 rows"):
        elementary_effects(design, y[:-1], outputs=["y"])
    y[9] = np.inf
    with pytest.raises(NumericalError, match=r"row 9 \(point 1 of trajectory 2\)"):
        elementary_effects(design, y, outputs=["y"])
