import numpy as np
import pytest

from shiftgauge.errors import ConfigError, NumericalError
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.chaos.candidates import ChaosOptions, check_chaos
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ISHIGAMI, ImageStudy
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

THREE = Inputs(space=ISHIGAMI.space)
EIGHT = Inputs(
    space=Space([Parameter(name=f"s{i}", distribution="uniform", options={"low": 0, "high": 1}) for i in range(8)])
)


@pytest.mark.parametrize(
    ("inputs", "options", "rows", "error", "message"),
    [
        (EIGHT, ChaosOptions(degree=8), 100_000, ConfigError, r"has 12870 terms, more than `max_terms` \(3000\)"),
        (EIGHT, ChaosOptions(terms="tensor", degree=4), 10**6, ConfigError, "more than 20000 terms"),
        (THREE, ChaosOptions(degree=6, max_terms=50), 1000, ConfigError, "84 terms, more than"),
        (THREE, ChaosOptions(terms="tensor", degree=[2, 2]), 1000, ConfigError, "each of 3 parameters"),
        (THREE, ChaosOptions(degree=6), 84, NumericalError, "84 terms need more than 84 points"),
    ],
)
@pytest.mark.parametrize("estimator", ["gpc", "assisted"])
def test_sets_that_cannot_be_fitted_are_refused_before_evaluation(inputs, options, rows, error, message, estimator):
    with pytest.raises(error, match=message):
        check_chaos(inputs, options, n_rows=rows, estimator=estimator)
    assert check_chaos(inputs, options, n_rows=rows, estimator="pick_freeze") == 0


@pytest.mark.parametrize(
    "options",
    [
        {"degree": 0},
        {"degree": [2, 2, 2]},
        {"terms": "tensor", "degree": [2, -1, 2]},
        {"interaction_order": 0},
        {"image_degree": -2},
        {"max_terms": 1},
    ],
)
def test_numbers_outside_their_range_are_refused_at_once(options):
    with pytest.raises(ConfigError, match="must be a whole number"):
        ChaosOptions(**options)


@pytest.mark.parametrize("estimator", ["gpc", "assisted"])
@pytest.mark.parametrize("features", [None, 7])
@pytest.mark.parametrize("options", [ChaosOptions(), ChaosOptions(degree=2, image_degree=3)])
def test_the_check_names_the_largest_set_that_the_estimator_tries(estimator, features, options):
    study = ImageStudy(n_images=12, n_classes=3)
    inputs = Inputs(space=study.space, n_images=12)
    kind = PlainDesign(inputs=inputs, n=256) if estimator == "gpc" else PickFreezeDesign(inputs=inputs, n_base=32)
    largest = check_chaos(inputs, options, n_rows=kind.n_rows, n_features=features, estimator=estimator)
    y = study.function(kind.rows(0, kind.n_rows))
    given = None if features is None else np.random.default_rng(0).normal(size=(12, features))
    found = analyse(
        kind, y[:, None], outputs=["y"], estimator=estimator, chaos=options, image_features=given, resamples=0
    )
    assert found.surrogate.terms[0] <= largest <= kind.n_rows
    if options.degree:
        assert found.surrogate.terms[0] == largest
