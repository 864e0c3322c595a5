"""Images pushed towards every class: flips and distances against closed forms and the trace."""

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.explain import image_walk as walks
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.image_walk import image_walk
from small_networks import ConvNet, linear, wrap


def pictures(n=2, shape=(3, 8, 8)):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


def test_linear_network_flips_where_its_closed_form_says():
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    classifier = wrap(net, (1, 1, 2), mean=0.0, std=1.0, classes=("left", "right"))
    options = ActivationMaximization(steps=10, step_size=0.1, regularizers=(), bounds="none")
    walk = image_walk(classifier, np.array([[[0.55, 0.2]]], np.float32), options=options)
    assert walk.source.tolist() == [0]
    assert walk.reached_at.tolist() == [[0, 4]]  # 0.2 + 0.1 t > 0.55
    assert walk.left_at.tolist() == [[-1, 4]]
    assert walk.stayed.tolist() == [[True, True]]
    assert np.allclose(walk.reached_l2, [[0, 0.4]])
    assert np.allclose(walk.reached_rms, [[0, 0.4 / np.sqrt(2)]])
    assert np.allclose(walk.distance_max, [[1, 1]])
    assert np.allclose(walk.logit[0, 1], 0.2 + 0.1 * np.arange(11))
    assert walk.final.tolist() == [[0, 1]]


def test_steps_and_distances_agree_with_the_trace_and_the_images():
    classifier = wrap(ConvNet())
    walk = image_walk(classifier, pictures(3), options=ActivationMaximization(steps=60))
    assert walk.images.shape == (3, 4, 3, 8, 8)
    outputs = classifier.outputs(torch.from_numpy(walk.images).flatten(0, 1)).argmax(dim=1).numpy().reshape(3, 4)
    assert np.array_equal(walk.final, outputs)
    assert np.array_equal(walk.source, classifier.outputs(pictures(3)).argmax(dim=1).numpy())
    for i in range(3):
        for k in range(4):
            path = walk.predicted[i, k].tolist()
            reached = path.index(k) if k in path else -1
            left = next((t for t, c in enumerate(path) if c != path[0]), -1)
            assert (walk.reached_at[i, k], walk.left_at[i, k]) == (reached, left)
            assert walk.stayed[i, k] == (reached >= 0 and set(path[reached:]) == {k})
            assert np.isnan(walk.reached_l2[i, k]) == (reached < 0)
            gone = walk.images[i, k].astype(float) - walk.start[i]
            assert walk.distance_l2[i, k] == pytest.approx(np.linalg.norm(gone), rel=1e-5)
            assert walk.distance_max[i, k] == pytest.approx(np.abs(gone).max(), rel=1e-5)
            assert walk.distance_rms[i, k] == pytest.approx(np.sqrt((gone**2).mean()), rel=1e-5)
        assert walk.reached_at[i, walk.source[i]] == 0


def test_distance_at_the_flip_is_that_of_as_many_steps():
    classifier = wrap(linear(n_classes=4))
    walk = image_walk(classifier, pictures(1), options=ActivationMaximization(steps=80))
    target = int(np.argmax(walk.reached_at[0]))
    steps = int(walk.reached_at[0, target])
    assert steps > 1
    short = image_walk(classifier, pictures(1), classes=[target], options=ActivationMaximization(steps=steps))
    assert short.final.tolist() == [[target]]
    assert np.allclose(short.distance_l2[0, 0], walk.reached_l2[0, target], rtol=1e-4)
    shorter = image_walk(classifier, pictures(1), classes=[target], options=ActivationMaximization(steps=steps - 1))
    assert shorter.reached_at.tolist() == [[-1]]


def test_classes_are_chosen_by_name_and_one_image_needs_no_batch():
    classifier = wrap(ConvNet(), classes=("good", "scratch", "stain", "dent"))
    options = ActivationMaximization(steps=5)
    walk = image_walk(classifier, pictures(1)[0], classes=["stain", 0], options=options, batch_size=1)
    assert walk.classes == ("stain", "good")
    both = image_walk(classifier, pictures(1), options=options)
    assert np.allclose(walk.images[0, 0], both.images[0, 2], atol=1e-5)
    data = walk.dataset()
    assert data["image_after"].dims == ("image", "target", "channel", "y", "x")
    assert data["reached_at"].dims == ("image", "target")
    assert data["target"].values.tolist() == ["stain", "good"]


@pytest.mark.parametrize("classes", [[], [1, 1], ["scratch", 1]])
def test_classes_are_each_named_once(classes):
    classifier = wrap(ConvNet(), classes=("good", "scratch", "stain", "dent"))
    with pytest.raises(ConfigError, match="each once"):
        image_walk(classifier, pictures(), classes=classes)


def test_unknown_class_and_wrong_size_are_named():
    classifier = wrap(ConvNet(), classes=("good", "scratch", "stain", "dent"))
    with pytest.raises(ConfigError, match="did you mean `stain`"):
        image_walk(classifier, pictures(), classes=["stian"])
    with pytest.raises(DataError, match=r"\(N, 3, 8, 8\)"):
        image_walk(classifier, pictures(shape=(3, 9, 8)))


def test_starts_are_held_for_a_few_images_at_a_time(monkeypatch):
    held, told, climb = [], [], walks.maximize

    def counted(*args, start, **kwargs):
        held.append(len(start))
        return climb(*args, start=start, **kwargs)

    monkeypatch.setattr(walks, "maximize", counted)
    classifier, images = wrap(ConvNet()), torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    options = ActivationMaximization(steps=3)
    few, all_at_once = (
        image_walk(classifier, images, options=options, batch_size=size, progress=lambda *a: told.append(a))
        for size in (2, 16)
    )
    assert held == [8, 8, 4, 20]
    restarts = [i for i in range(1, len(told)) if told[i] < told[i - 1]]
    assert len(restarts) == 1  # of the second call
    assert told[restarts[0] - 1] == told[-1] == (60, 60)
    np.testing.assert_allclose(few.images, all_at_once.images, atol=1e-5)
    np.testing.assert_array_equal(few.reached_at, all_at_once.reached_at)
    assert few.evaluations == all_at_once.evaluations
