import numpy as np
import pytest

from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.convergence import sensitivity

UNIFORM = {name: {"low": 0.0, "high": 1.0} for name in "abc"}
NORMAL = {name: {"distribution": "normal", "mean": 0.0, "std": 1.0} for name in "abc"}


def constant(x, value=0.1):
    return np.full(len(x), value)


@pytest.mark.parametrize("space", [UNIFORM, NORMAL], ids=["bounded", "unbounded"])
@pytest.mark.parametrize("estimator", ["assisted", "pick_freeze", "gpc"])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_outputs_that_never_change_are_named_and_spoil_no_other(space, estimator, value):
    def outputs(x):
        return np.column_stack([constant(x, value), np.sin(2 * x[:, 0]), constant(x, value)])

    found = sensitivity(outputs, space, estimator=estimator, n_base=128, resamples=20).indices
    assert found.defined.tolist() == [False, True, False]
    assert np.isnan(found.total_order[[0, 2]]).all()
    assert found.total_order[1] == pytest.approx([1, 0, 0], abs=0.1)
    assert [s.message.split()[1] for s in found.status if s.code == "constant_output"] == ["`y1`", "`y3`"]
    alone = sensitivity(lambda x: constant(x, value), space, estimator=estimator, n_base=128, resamples=20).indices
    assert np.isnan(alone.total_order).all()
    assert [s.code for s in alone.status if s.level == "error"] == ["constant_output"]


@pytest.mark.parametrize("space", [UNIFORM, NORMAL], ids=["bounded", "unbounded"])
def test_a_rare_event_that_the_first_blocks_do_not_meet_is_measured_once_it_is_met(space):
    edge = 0.999 if space is UNIFORM else 3.09
    found = sensitivity(lambda x: (x[:, 0] > edge).astype(float), space, n_base=1024)
    assert not found.curve[0].defined.any()
    assert found.indices.defined.all()
    assert found.indices.total_order[0, 0] > 0.5


@pytest.mark.parametrize("solver", ["auto", "least_squares", "omp", "lars"])
def test_every_solver_takes_outputs_that_are_zero(solver):
    options = ChaosOptions(solver=solver)

    def outputs(x):
        return np.column_stack([constant(x, 0.0), x[:, 1] ** 2])

    found = sensitivity(outputs, UNIFORM, estimator="gpc", n_base=64, resamples=20, chaos=options).indices
    assert found.defined.tolist() == [False, True]
    assert found.total_order[1] == pytest.approx([0, 1, 0], abs=1e-6)
    nothing = sensitivity(lambda x: outputs(x)[:, 0], UNIFORM, estimator="gpc", n_base=64, resamples=20, chaos=options)
    assert not nothing.indices.defined.any()
