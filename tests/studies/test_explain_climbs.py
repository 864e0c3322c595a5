"""Climbs of a look inside begin where they are told to, and are told apart."""

import numpy as np
import pytest

from explain_runs import classifier, data, look, nothing_but, options, places
from shiftgauge.errors import InterruptedRunError
from shiftgauge.explain import maximize
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.objectives import ChannelMean, ClassLogit, Direction
from shiftgauge.explain.operators import Jitter
from shiftgauge.studies import explain_climbs


def test_climbs_begin_where_they_are_told_to(tmp_path):
    images, labels = data()
    climb = ActivationMaximization(steps=1, step_size=0.0, penalty_size=0.0)
    unit = (ChannelMean(block="stem", channel=1),)
    for start, more in (("class_mean", {}), ("image", {}), ("image", {"start_image": "5"})):
        only = nothing_but(maximize=climb, units=unit, start=start, **more)
        folder = tmp_path / "run"
        result = look(folder, only, given=(images, labels))
        names = places(result.arrays["image"])
        means = np.stack([images[labels == k].mean(axis=0) for k in range(4)])
        wanted = means if start == "class_mean" else images[[5] * 4 if more else names]
        assert np.allclose(result.arrays["maximized"].values[:4], wanted, atol=1e-6)
        assert np.allclose(
            result.arrays["maximized"].values[4], means.mean(axis=0) if start == "class_mean" else wanted[0]
        )


def test_units_of_one_name_are_told_apart(tmp_path):
    twice = (Direction(block="stem", vector=[1.0] + [0.0] * 5), Direction(block="stem", vector=[0.0, 1.0] + [0.0] * 4))
    only = nothing_but(maximize=options().maximize, units=(*twice, ClassLogit(label="a")))
    result = look(tmp_path / "run", only)
    names = result.arrays["target"].values.tolist()
    assert len(set(names)) == 7
    assert names[-1] == "a (2)"
    assert np.allclose(result.arrays["maximized"].values[0], result.arrays["maximized"].values[-1], atol=1e-6)


def test_climbs_that_are_finished_are_kept_one_by_one(tmp_path, monkeypatch):
    real, seen = explain_climbs.maximize, []

    def stopping(network, targets, **given):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(len(targets))
        return real(network, targets, **given)

    monkeypatch.setattr(explain_climbs, "maximize", stopping)
    only = nothing_but(maximize=options().maximize, batch_size=1)
    with pytest.raises(InterruptedRunError):
        look(tmp_path / "run", only)
    monkeypatch.setattr(explain_climbs, "maximize", lambda *a, **k: seen.append(len(a[1])) or real(*a, **k))
    result = look(tmp_path / "run", only)
    assert seen == [1] * 4
    alone = real(classifier(), ["a", "b", "c", "d"], options=only.maximize)
    assert np.allclose(result.arrays["maximized"], alone.images, atol=1e-5)
    assert np.allclose(result.arrays["maximized_penalty"], alone.penalty, atol=1e-5)


@pytest.mark.parametrize("part", ["maximize", "walk"])
def test_a_stopped_climb_goes_on_between_its_steps_and_ends_at_the_same(tmp_path, monkeypatch, part):
    climb = ActivationMaximization(steps=7, step_size=1.0, gradient="normalised", views=(Jitter(pixels=1),))
    only, real, taken = nothing_but(**{part: climb}, units=()), ActivationMaximization.step, []
    whole = look(tmp_path / "whole", only).arrays
    monkeypatch.setattr(maximize, "KEEP_EVERY", 2)

    def stopping(self, state, activate):
        if len(taken) == 5:
            raise KeyboardInterrupt
        taken.append(state.step)
        return real(self, state, activate)

    monkeypatch.setattr(ActivationMaximization, "step", stopping)
    with pytest.raises(InterruptedRunError, match="goes on"):
        look(tmp_path / "run", only)
    assert (tmp_path / "run" / "parts" / f"{part}-begun.npz").is_file()
    monkeypatch.setattr(
        ActivationMaximization, "step", lambda self, state, a: taken.append(state.step) or real(self, state, a)
    )
    result = look(tmp_path / "run", only)
    assert taken[:8] == [0, 1, 2, 3, 4, 4, 5, 6]
    assert len(taken) == 8 + (0 if part == "maximize" else 3 * 7)
    assert not list((tmp_path / "run" / "parts").glob("*-begun.npz"))
    for name in whole.data_vars:
        np.testing.assert_array_equal(result.arrays[name].values, whole[name].values, err_msg=str(name))
    cost = result.cost["parts"][part]
    assert cost["evaluations"] == (4 if part == "maximize" else 16) * (2 * 7 + 1)


def test_what_was_begun_with_other_options_is_not_taken_up(tmp_path, monkeypatch):
    monkeypatch.setattr(maximize, "KEEP_EVERY", 1)
    real = ActivationMaximization.read

    def stopping(self, state, activate):
        raise KeyboardInterrupt

    monkeypatch.setattr(ActivationMaximization, "read", stopping)
    with pytest.raises(InterruptedRunError):
        look(tmp_path / "run", nothing_but(maximize=ActivationMaximization(steps=2, step_size=1.0)))
    monkeypatch.setattr(ActivationMaximization, "read", real)
    other = nothing_but(maximize=ActivationMaximization(steps=2, step_size=2.0))
    joined, alone = look(tmp_path / "run", other).arrays, look(tmp_path / "alone", other).arrays
    assert np.array_equal(joined["maximized"], alone["maximized"])


def test_a_walk_knows_the_image_that_it_began_at(explained):
    arrays = explained[1].arrays
    assert arrays["walk_source"].values.tolist() == [0, 1, 2, 3]
    assert arrays.attrs["walk_steps"] == options().walk.steps
