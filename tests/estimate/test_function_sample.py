import numpy as np
import pytest

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.convergence import sensitivity

SPACE = {"a": [0, 1], "b": [0, 1]}


def total(x):
    return x.sum(axis=1)


def run(function, **options):
    return sensitivity(function, SPACE, **{"n_base": 32, "estimator": "pick_freeze", **options})


def test_a_random_function_is_noticed_and_a_fixed_one_is_not():
    rng = np.random.default_rng(0)
    found = run(lambda x: total(x) + 0.1 * rng.standard_normal(len(x)))
    (status,) = [s for s in found.status if s.code == "not_repeatable"]
    assert status.level == "warning"
    assert "for `y` at the same inputs" in status.message
    assert found.repeated == 8
    for fixed in (total, lambda x: total(x) + 1e-9 * rng.standard_normal(len(x)), lambda x: np.ones(len(x))):
        assert "not_repeatable" not in [s.code for s in run(fixed).status]


def test_rows_that_depend_on_each_other_are_noticed():
    found = run(lambda x: total(x) - total(x).mean())
    assert "not_repeatable" in [s.code for s in found.status]


def test_failed_rows_count_as_the_same_when_they_fail_again():
    def holes(x):
        return np.where(x[:, 0] < 0.1, np.nan, total(x))

    found = run(holes, n_base=128, on_failure="drop")
    assert [s.code for s in found.status if s.code != "wide_intervals"] == ["dropped_blocks"]


@pytest.mark.parametrize(("budget", "extra"), [(128, 0), (130, 2), (136, 8), (256, 8), (263, 8), (264, 8)])
def test_the_budget_pays_for_the_second_look(budget, extra):
    rows = []

    def counted(x):
        rows.append(len(x))
        return total(x)

    found = run(counted, n_base=32, budget=budget)
    assert found.repeated == extra
    assert sum(rows) == found.indices.n_evaluations + extra <= budget
    assert found.indices.n_evaluations == (256 if budget == 264 else 128)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: total(x)[:-1], "must return 128 values, one for each row it was given, or .* got 127 values"),
        (lambda x: np.stack([total(x), total(x)]), r"128 rows of outputs; got the shape \(2, 128\); transposed\?"),
        (lambda x: None, r"returned nothing \(None\)"),
        (lambda x: 1.0, "got a single number"),
        (lambda x: total(x) * 1j, "must be real numbers, got complex128"),
        (lambda x: total(x)[:, None, None], r"got the shape \(128, 1, 1\)"),
    ],
)
def test_what_the_function_returned_instead_is_said(function, message):
    with pytest.raises(DataError, match=message):
        run(function)


def test_other_misuse_is_told_in_one_line():
    with pytest.raises(ConfigError, match=r"write \['price'\]"):
        run(total, outputs="price")
    with pytest.raises(DataError, match="names 2 outputs, but the function returned 1"):
        run(total, outputs=["a", "b"])
    with pytest.raises(ConfigError, match="`progress` must be a function"):
        run(total, progress=True)
    with pytest.raises(ConfigError, match=r"`function` must take rows of values .* got ndarray"):
        run(np.ones(128))
    with pytest.raises(ConfigError, match="belongs to the estimator assisted"):
        run(total, surrogate="trees")
    run(total, progress=False)


def test_a_failing_function_is_named_with_its_rows_and_its_cause():
    def fails(x):
        if len(x) == 28:
            raise ZeroDivisionError("no\nroom")
        return total(x)

    with pytest.raises(DataError, match=r"`fails` failed on rows 100 to 127 .* ZeroDivisionError: no room") as caught:
        run(fails, chunk=100)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_options_of_the_surrogate_reach_it():
    rough = run(lambda x: (x[:, 0] > 0.5).astype(float), estimator="assisted", n_base=256, surrogate="chaos")
    assert rough.indices.surrogate.residual == ("none",)
    noise = np.random.default_rng(1)
    options = {"estimator": "gpc", "n_base": 128, "seed": 1}

    def noisy(x):
        return total(x) + 0.05 * noise.standard_normal(len(x))

    widths = [np.ptp(run(noisy, residual=kind, **options).indices.first_order_interval) for kind in ("noise", "misfit")]
    assert widths[0] != widths[1]


def test_results_print_short_and_give_a_frame():
    found = run(lambda x: np.column_stack([total(x), x[:, 0]]), outputs=["sum", "first"])
    text = repr(found)
    assert text.startswith("The size was given")
    assert "sum, b: first 0." in text
    assert len(text.splitlines()) < 12
    frame = found.to_dataframe()
    assert frame.shape == (4, 8)
    row = frame[(frame.output == "first") & (frame.input == "a")].iloc[0]
    assert row.total_order == found.indices.total_order[1, 0]
    assert (row.first_low, row.first_high) == tuple(found.indices.first_order_interval[1, 0])
    many = sensitivity(total, {f"x{i}": [0, 1] for i in range(40)}, estimator="pick_freeze", n_base=8).indices
    assert "and 28 more" in repr(many)
    assert found.status == found.indices.status
