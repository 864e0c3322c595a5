import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.errors import ConfigError
from shiftgauge.train.schedules import ScheduleOptions, multiplier


def _curve(epochs, history=(), **options):
    chosen = ScheduleOptions(**options)
    return [multiplier(chosen, epoch, epochs, history) for epoch in range(epochs)]


def _torch_curve(epochs, build):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = build(optimizer)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_the_weld_schedule_has_the_published_multipliers():
    expected = [1, 1, 1, 1, 0.9554, 0.8306, 0.6501, 0.4499, 0.2694, 0.1446, 0.1, 0.1, 0.1]
    np.testing.assert_allclose(_curve(13, kind="weld"), expected, atol=1e-4)


def test_cosine_is_that_of_torch():
    expected = _torch_curve(17, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=17, eta_min=0.05))
    np.testing.assert_allclose(_curve(17, kind="cosine", minimum=0.05, warmup_epochs=0), expected, rtol=1e-12)


@pytest.mark.parametrize(("first", "growth"), [(10, 2), (3, 1), (1, 3)])
def test_warm_restarts_are_those_of_torch(first, growth):
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts
    expected = _torch_curve(40, lambda o: scheduler(o, T_0=first, T_mult=growth, eta_min=0.01))
    curve = _curve(40, kind="warm_restarts", period_epochs=first, period_growth=growth, minimum=0.01)
    np.testing.assert_allclose(curve, expected, rtol=1e-12)


def test_the_glass_schedule_restarts_at_epochs_10_and_30():
    curve = _curve(40, kind="warm_restarts", period_epochs=10, period_growth=2)
    assert [epoch for epoch, value in enumerate(curve) if value == 1] == [0, 10, 30]


def test_step_is_that_of_torch():
    expected = _torch_curve(12, lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=4, gamma=0.3))
    np.testing.assert_allclose(_curve(12, kind="step", step_epochs=4, factor=0.3), expected, rtol=1e-12)


def test_plateau_halves_after_exactly_three_epochs_without_improvement():
    values = [0.5, 0.6, 0.6, 0.55, 0.59, 0.58, 0.61, 0.6, 0.6]
    assert _curve(10, values, kind="plateau") == [1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert _curve(11, [0.5] * 10, kind="plateau") == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


@given(
    history=st.lists(st.integers(0, 6), min_size=1, max_size=30),
    patience=st.integers(1, 5),
    mode=st.sampled_from(["max", "min"]),
)
@settings(max_examples=60, deadline=None)
def test_plateau_is_that_of_torch_with_one_epoch_less_of_patience(history, patience, mode):
    # torch acts when more than `patience` epochs were bad
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode=mode, factor=0.5, patience=patience - 1, threshold=0.0, threshold_mode="abs", eps=0.0
    )
    expected = [1.0]
    for value in history:
        scheduler.step(value)
        expected.append(optimizer.param_groups[0]["lr"])
    assert _curve(len(history) + 1, history, kind="plateau", patience=patience, mode=mode) == expected


def test_plateau_counts_nan_and_too_small_changes_as_no_improvement():
    assert _curve(5, [math.nan, 0.5, math.nan, math.nan], kind="plateau", patience=2)[-1] == 0.5
    rising = [0.50, 0.51, 0.52, 0.53]
    assert _curve(5, rising, kind="plateau", patience=3, min_change=0.1)[-1] == 0.5
    assert _curve(5, rising, kind="plateau", patience=3)[-1] == 1


def test_plateau_stays_above_the_minimum():
    assert min(_curve(31, [1.0] * 30, kind="plateau", minimum=0.2)) == 0.2


def test_no_epoch_of_a_warm_up_is_held_against_the_rate():
    curve = _curve(9, [0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], kind="plateau", warmup_epochs=4, patience=3)
    assert curve == [0.2, 0.4, 0.6, 0.8, 1, 1, 1, 0.5, 0.5]


def test_only_cosine_warms_up_where_nothing_is_said():
    assert _curve(4, kind="cosine") == _curve(4, kind="cosine", warmup_epochs=1)
    np.testing.assert_allclose(_curve(4, kind="cosine"), [0.5, 1, 0.75, 0.25])
    for kind in ("constant", "step", "warm_restarts", "weld", "plateau"):
        assert _curve(3, [0.5, 0.6], kind=kind)[0] == 1


@given(
    kind=st.sampled_from(["constant", "step", "cosine", "warm_restarts", "weld"]),
    epochs=st.integers(2, 40),
    warmup=st.integers(0, 10),
)
@settings(max_examples=60, deadline=None)
def test_a_warm_up_rises_to_one_and_then_the_schedule_begins(kind, epochs, warmup):
    curve = _curve(epochs + warmup, kind=kind, warmup_epochs=warmup)
    assert curve[warmup:] == _curve(epochs, kind=kind, warmup_epochs=0)
    assert curve[warmup] == 1
    np.testing.assert_allclose(np.diff([0, *curve[: warmup + 1]]), 1 / (warmup + 1), rtol=1e-9)
    assert all(0 <= value <= 1 for value in curve)


def test_an_epoch_does_not_depend_on_what_was_asked_before():
    values = [0.5, 0.4, 0.3, 0.2, 0.1]
    options = ScheduleOptions(kind="plateau")
    assert multiplier(options, 3, 9, values) == multiplier(options, 3, 9, values[:3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "cosin"}, "did you mean `cosine`"),
        ({"factor": 1.0}, "`factor` must be above 0 and below 1"),
        ({"factor": 2}, r"`factor` must be in \[0, 1\]"),
        ({"patience": 0}, "`patience`"),
        ({"minimum": -0.1}, "`minimum`"),
        ({"warmup_epochs": -1}, "`warmup_epochs`"),
        ({"mode": "up"}, "mode `up`"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ScheduleOptions(**options)


@pytest.mark.parametrize(
    ("options", "epoch", "message"),
    [
        ({}, 5, "got 5 of 5"),
        ({}, -1, "`epoch` must be a whole number"),
        ({"warmup_epochs": 5}, 0, "got 5 of 5; warm up for fewer"),
        ({"kind": "plateau"}, 2, "each of the 2 finished epochs, got 1"),
    ],
)
def test_epochs_outside_the_training_and_gaps_in_the_history_are_refused(options, epoch, message):
    with pytest.raises(ConfigError, match=message):
        multiplier(ScheduleOptions(**options), epoch, 5, [0.5])


@pytest.mark.parametrize(("peak", "minimum"), [(0.5, 0.0), (0.4, 0.1)])
def test_cyclic_rises_and_falls_in_straight_lines_from_step_to_step(peak, minimum):
    options = ScheduleOptions(kind="cyclic", peak=peak, minimum=minimum)
    places = [(epoch, (step + 0.5) / 7) for epoch in range(6) for step in range(7)]
    found = [multiplier(options, epoch, 6, within=within) for epoch, within in places]
    expected = np.interp([epoch + within for epoch, within in places], [0, 6 * peak, 6], [0, 1, minimum])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert min(found) > 0


def test_only_cyclic_changes_within_an_epoch():
    for kind in ("constant", "step", "cosine", "warm_restarts", "weld"):
        options = ScheduleOptions(kind=kind)
        assert multiplier(options, 3, 9) == multiplier(options, 3, 9, within=0.9)


def test_the_published_rates_of_the_eye_study_fall_tenfold_every_ten_epochs():
    options = ScheduleOptions(kind="step", factor=0.1, step_epochs=10)
    rates = [0.1 * multiplier(options, epoch, 50) for epoch in range(50)]
    assert rates == pytest.approx(np.repeat([0.1, 0.01, 0.001, 1e-4, 1e-5], 10))


@pytest.mark.parametrize("peak", [0, 1])
def test_a_peak_at_either_end_is_refused(peak):
    with pytest.raises(ConfigError, match="`peak` must be above 0 and below 1"):
        ScheduleOptions(kind="cyclic", peak=peak)
