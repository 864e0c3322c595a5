"""Streaming statistics equal those of all maps at once, and go on where they stopped."""

import tracemalloc

import numpy as np
import pytest
import torch

from pushed_networks import two_layers, wrapped
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.explain import map_statistics as module
from shiftgauge.explain.derivative_maps import derivative_maps
from shiftgauge.explain.map_statistics import MapStatistics, map_statistics
from shiftgauge.explain.perturbation import PerturbationOptions, perturbation_maps

IMAGES = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(2))
LABELS = [0, 1, 0, 0, 1, 2]


def test_of_all_maps_at_once(monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 4)
    classifier = wrapped(two_layers())
    found = map_statistics(classifier, IMAGES, LABELS, blocks=["0", "2"], batch_size=48)
    maps = perturbation_maps(classifier, IMAGES, blocks=["0", "2"], batch_size=48).norm_of_difference.astype(float)
    assert found.count.tolist() == [3, 2, 1]
    for k in (0, 1):
        own = maps[np.array(LABELS) == k]
        np.testing.assert_allclose(found.mean[k], own.mean(axis=0))
        np.testing.assert_allclose(found.standard_deviation[k], own.std(axis=0, ddof=1), atol=1e-12)
        np.testing.assert_allclose(found.mean_square[k], (own**2).mean(axis=0))
        np.testing.assert_array_equal(found.minimum[k], own.min(axis=0))
        np.testing.assert_array_equal(found.maximum[k], own.max(axis=0))
    assert np.isnan(found.standard_deviation[2]).all()


def test_a_stopped_run_goes_on():
    classifier = wrapped(two_layers())
    names = classifier.class_names
    labels = [names[k] for k in LABELS]
    whole = map_statistics(classifier, IMAGES, labels, blocks=["2"], batch_size=48)
    half = map_statistics(classifier, IMAGES[:4], labels[:4], blocks=["2"], batch_size=48)
    again = MapStatistics.from_dataset(half.dataset())
    rest = map_statistics(classifier, IMAGES[4:], labels[4:], state=again, batch_size=48)
    assert rest.dataset().identical(whole.dataset())


@pytest.mark.parametrize("measure", ["norm_of_derivative", "derivative_of_norm"])
def test_of_derivative_maps(measure):
    classifier = wrapped(two_layers())
    options = PerturbationOptions(scale="pixel", channels="together")
    found = map_statistics(
        classifier, IMAGES, LABELS, measure=measure, blocks=["0", "2"], options=options, batch_size=48
    )
    maps = derivative_maps(classifier, IMAGES, blocks=["0", "2"], scale="pixel", channels="together", batch_size=48)
    own = getattr(maps, measure).astype(float)[[0, 2, 3]]
    np.testing.assert_allclose(found.mean[0], own.mean(axis=0))
    np.testing.assert_allclose(found.standard_deviation[0], own.std(axis=0, ddof=1), atol=1e-9)
    np.testing.assert_array_equal(found.minimum[0], own.min(axis=0))
    assert found.dataset().attrs["measure"] == measure
    with pytest.raises(ConfigError, match="no size or law"):
        map_statistics(classifier, IMAGES, LABELS, measure=measure, options=PerturbationOptions(epsilon=0.2))
    with pytest.raises(ConfigError, match="not of `norm_of_difference`"):
        map_statistics(classifier, IMAGES, LABELS, blocks=["0", "2"], state=found)


def test_memory_does_not_grow_with_the_images_and_a_state_is_left_as_it_was():
    state = MapStatistics.start(["a", "b"], ["x"], (3, 64, 64))
    maps = np.random.default_rng(0).random((40, 1, 3, 64, 64), np.float32)
    tracemalloc.start()
    state.add(maps, [0] * 40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * maps[0].size * 8  # a few maps of one image, not the state of all classes
    before, more = state.copied(), state.copied()
    more.add(maps, [1] * 40)
    assert more.count.tolist() == [40, 40]
    assert state.dataset().identical(before.dataset())


def test_some_classes():
    classifier = wrapped(two_layers())
    seen = []
    found = map_statistics(
        classifier,
        IMAGES,
        LABELS,
        classes=classifier.class_names[1:2],
        blocks=["2"],
        measure="difference_of_norms",
        batch_size=48,
        progress=lambda *a: seen.append(a),
    )
    assert found.count.tolist() == [2]
    assert seen == [(2, 2)]
    assert float(found.minimum.min()) < 0


def test_a_constant_far_from_zero_has_no_variance():
    found = MapStatistics.start(["a"], ["b"], (1, 1, 1))
    found.add(np.full((1000, 1, 1, 1, 1), 1e8 + 0.1), [0] * 1000)
    assert found.standard_deviation.item() == 0


def test_labels_may_be_a_tensor_and_blocks_stand_in_any_order():
    classifier = wrapped(two_layers())
    names, places = (
        map_statistics(classifier, IMAGES, labels, blocks=blocks, batch_size=48)
        for labels, blocks in (
            ([classifier.class_names[k] for k in (0, 1, 0, 1, 2, 2)], ["0", "2"]),
            (torch.tensor([0, 1, 0, 1, 2, 2]), ["2", "0"]),
        )
    )
    assert names.dataset().identical(places.dataset())
    assert places.blocks == ("0", "2")


def test_clear_errors():
    classifier = wrapped(two_layers())
    with pytest.raises(ConfigError, match="each class once"):
        map_statistics(classifier, IMAGES, LABELS, classes=[classifier.class_names[0]] * 2)
    with pytest.raises(ConfigError, match="unknown class"):
        map_statistics(classifier, IMAGES, LABELS, classes=["zebra"])
    with pytest.raises(ConfigError, match="class index"):
        map_statistics(classifier, IMAGES, [9] * 6)
    with pytest.raises(DataError, match="one label"):
        map_statistics(classifier, IMAGES, LABELS[:2])
    with pytest.raises(DataError, match="none of the"):
        map_statistics(classifier, IMAGES[:1], [0], classes=classifier.class_names[2:])
    state = MapStatistics.start(["other"], ["2"], (3, 8, 8))
    with pytest.raises(ConfigError, match="state"):
        map_statistics(classifier, IMAGES, LABELS, state=state)
    with pytest.raises(DataError, match="missing"):
        MapStatistics.from_dataset(state.dataset().drop_vars("mean"))
