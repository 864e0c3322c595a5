"""The square attack against a slow plain version of the published algorithm; classifiers without gradients."""

import numpy as np
import pytest
import torch

from attack_cases import conv, images_of, labelled, problem_of, usual
from fakes import MeanClassifier
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.craft import craft
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.square import Square
from shiftgauge.attack.square_windows import square_pattern, square_side, tiled_pattern
from shiftgauge.errors import ConfigError
from shiftgauge.random import generator

QUERIES = 60


def _eta(height, width):
    """The paper's equation (2), value by value."""
    found, middle = np.zeros((height, width)), (height // 2, width // 2)
    n = max(middle)
    for r in range(height):
        for s in range(width):
            distance = max(abs(r - middle[0]), abs(s - middle[1]))
            found[r, s] = sum(1 / (n + 1 - k) ** 2 for k in range(n - distance + 1))
    return found


def _pattern(side):
    halves = [_eta(side // 2, side), -_eta(side - side // 2, side)]
    halves = [h / np.linalg.norm(h) if h.size else h for h in halves]
    whole = np.concatenate(halves)
    return whole / np.linalg.norm(whole)


@pytest.mark.parametrize("side", [1, 2, 3, 5, 6, 9, 15])
def test_pattern_is_two_pyramids_of_opposite_sign(side):
    np.testing.assert_allclose(square_pattern(side), _pattern(side), atol=1e-12)


def test_area_is_halved_as_published():
    shares = {0: 1, 10: 1, 11: 2, 51: 4, 201: 8, 501: 16, 1001: 32, 2001: 64, 4001: 128, 6001: 256, 8001: 512}
    for query, part in shares.items():
        assert square_side(query, 10_000, 0.8, 224, 224) == max(round(np.sqrt(0.8 / part) * 224), 1)
        assert square_side(query // 10, 1000, 0.8, 224, 224) == square_side(query // 10 * 10, 10_000, 0.8, 224, 224)
    odd = [square_side(q, 100, 0.8, 8, 8, odd=True) for q in range(100)]
    assert set(odd) <= {3, 5, 7}
    assert square_side(0, 100, 1.0, 4, 9) == 4


def _numbers(run, stream, channels, seed=0):
    """The same draws that the attack takes."""
    rows = [
        generator(seed, "attack", f"square {k}", run, stream).random((min(100, QUERIES - k), 5 + channels), np.float32)
        for k in range(0, QUERIES, 100)
    ]
    return np.concatenate(rows)


def _sign(u):
    return np.where(u < 0.5, -1.0, 1.0)


def _place(u, side, length):
    return min(int(u * np.float32(length - side + 1)), length - side)


def _start(norm, shape, epsilon, stream):
    c, h, w = shape
    if norm == "linf":
        return epsilon * np.broadcast_to(
            _sign(generator(0, "attack", "square start", 0, stream).random((c, 1, w), np.float32)), shape
        )
    pattern, places, side = tiled_pattern(h, w)
    drawn = generator(0, "attack", "square start", 0, stream).random((len(places), c + 1), np.float32)
    delta = np.zeros(shape)
    for (top, left), u in zip(places, drawn, strict=True):
        tile = pattern.T if u[0] < 0.5 else pattern
        delta[:, top : top + side, left : left + side] = tile * _sign(u[1:])[:, None, None]
    return delta / np.linalg.norm(delta) * epsilon


def _change(norm, delta, epsilon, u, query):
    """One proposal, algorithms 2 and 3."""
    c, h, w = delta.shape
    side = square_side(query, QUERIES, 0.8, h, w, odd=norm == "l2")
    delta = delta.copy()
    if norm == "linf":
        top, left = _place(u[0], side, h), _place(u[1], side, w)
        window = (slice(None), slice(top, top + side), slice(left, left + side))
        delta[window] = np.clip(delta[window] + 2 * epsilon * _sign(u[5:])[:, None, None], -epsilon, epsilon)
        return delta
    corners = [_place(u[i], side, (h, w)[i % 2]) for i in range(4)]
    first, second = (
        (slice(corners[i], corners[i] + side), slice(corners[i + 1], corners[i + 1] + side)) for i in (0, 2)
    )
    pattern = square_pattern(side).T if u[4] < 0.5 else square_pattern(side)
    unused, either = max(epsilon**2 - (delta**2).sum(), 0), np.zeros((h, w), bool)
    either[first], either[second] = True, True
    before = delta.copy()
    for i in range(c):
        held = (before[i][either] ** 2).sum()
        old = before[i][first]
        fresh = _sign(u[5 + i]) * pattern + (old / np.linalg.norm(old) if old.any() else old)
        delta[i][second] = 0
        delta[i][first] = fresh / np.linalg.norm(fresh) * np.sqrt(held + unused / c)
    return delta / np.linalg.norm(delta) * epsilon


def _plain_square(margin, clean, epsilon, norm, bounds, stream):
    """One image: random search with the margin as its loss."""

    def cut(delta):
        image = clean + delta
        return image if bounds is None else np.clip(image, *bounds)

    best = cut(_start(norm, clean.shape, epsilon, stream))
    lowest, queries = margin(best), 0
    for query, u in enumerate(_numbers(0, stream, clean.shape[0])):
        if lowest <= 0 and query:
            break
        queries += 1
        tried = cut(_change(norm, best - clean, epsilon, u, query))
        value = margin(tried)
        if value < lowest or value <= 0:
            best, lowest = tried, value
    return best, lowest, queries


@pytest.mark.parametrize("bounds", [None, (0, 1)])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_images_are_those_of_the_published_algorithm(norm, bounds):
    classifier = conv()
    images, labels = labelled(classifier, 8)
    budget = Budget(epsilon=0.03 if norm == "linf" else 0.3, norm=norm, bounds=bounds)
    found = craft(problem_of(classifier, images, labels, budget), Square(queries=QUERIES)).images.double().numpy()
    robust = 0
    for i in range(8):

        def margin(image, i=i):
            z = classifier.outputs(torch.from_numpy(image[None]).float())[0].double()
            return float(z[labels[i]] - torch.cat([z[: labels[i]], z[labels[i] + 1 :]]).max())

        best, lowest, _ = _plain_square(margin, images[i].double().numpy(), budget.epsilon, norm, bounds, i)
        robust += lowest > 0
        # in L2 what the ball has left is a difference of squares, whose root keeps three digits in float32
        np.testing.assert_allclose(found[i], best, rtol=0, atol=2e-5 if norm == "linf" else 4e-4)
    assert 0 < robust < 8


def test_images_that_fool_cost_no_further_query():
    classifier = conv()
    images, labels = labelled(classifier, 30)
    found = attack_images(classifier, images, labels, Square(queries=50), usual("linf"))
    assert 0 < found.success.sum() < 30
    assert found.evaluations < 30 * 52
    assert found.gradients == 0


def test_search_never_makes_the_margin_worse_than_its_start():
    classifier = conv()
    images, labels = labelled(classifier, 10)
    margins = []
    for queries in (1, 20, 80):
        found = attack_images(classifier, images, labels, Square(queries=queries), Budget(epsilon=0.01))
        z = classifier.outputs(found.images)
        others = z.scatter(1, labels[:, None], -torch.inf).amax(dim=1)
        margins.append(z.gather(1, labels[:, None])[:, 0] - others)
    assert margins[2].mean() < margins[0].mean()


def test_classifier_that_gives_outputs_alone_is_attacked():
    classifier = MeanClassifier(gain=20)
    images = torch.full((4, 1, 8, 8), 0.51)
    found = attack_images(classifier, images, [1] * 4, Square(queries=200), Budget(epsilon=0.05, bounds=(0, 1)))
    assert found.success.all()
    assert found.distance.max() <= 0.05
    back = attack_images(classifier, images, [0] * 4, Square(queries=50), Budget(epsilon=0.05), targets="bright")
    assert back.success.all()


@pytest.mark.parametrize("shape", [(1, 2, 2), (2, 3, 11), (1, 24, 24), (3, 5, 4)])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_every_size_of_image_is_searched(norm, shape):
    classifier = conv(shape=shape)
    images = images_of(3, shape)
    budget = Budget(epsilon=0.02 if norm == "linf" else 0.05, norm=norm, bounds=(0, 1))
    found = attack_images(classifier, images, None, Square(queries=12), budget)
    assert found.distance.max() <= budget.epsilon
    assert (found.distance > 0.9 * budget.epsilon).all()


def test_restarts_are_other_searches_and_the_best_is_kept():
    classifier = conv()
    images, labels = labelled(classifier, 30)
    one = attack_images(classifier, images, labels, Square(queries=10), Budget(epsilon=0.03))
    more = attack_images(classifier, images, labels, Square(queries=10, restarts=4), Budget(epsilon=0.03))
    assert set(np.flatnonzero(one.success)) < set(np.flatnonzero(more.success))


def test_options_outside_their_range_are_refused():
    for wrong in ({"queries": 0}, {"initial_share": 0}, {"initial_share": 2}, {"loss": "dlr"}, {"restarts": 0}):
        with pytest.raises(ConfigError):
            Square(**wrong)
