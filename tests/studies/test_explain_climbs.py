"""Climbs of a look inside begin where they are told to, and are told apart."""

import numpy as np
import pytest

from explain_runs import classifier, data, look, nothing_but, options, places
from shiftgauge.errors import InterruptedRunError
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.objectives import ChannelMean, ClassLogit, Direction
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


def test_a_walk_knows_the_image_that_it_began_at(explained):
    arrays = explained[1].arrays
    assert arrays["walk_source"].values.tolist() == [0, 1, 2, 3]
    assert arrays.attrs["walk_steps"] == options().walk.steps
