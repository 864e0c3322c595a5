"""A head that begins as a logistic regression on the network's features."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.train.linear_probe import STRENGTHS, head_features, linear_head, linear_probe
from shiftgauge.train.predict import predict_logits
from train.toy import PREPROCESSING, network, stripes

NAMES = ("a", "b", "c")


def drawn(n=240, seed=0, k=3):
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % k
    return rng.normal(size=(n, 5)) * [1, 10, 0.1, 1, 3] + 2 * np.eye(5)[classes] + 4, classes


def scaler(x):
    """Centres each feature, and divides all by the mean of their standard deviations."""
    return FunctionTransformer(lambda given: (given - x.mean(axis=0)) / np.sqrt(x.var(axis=0)).mean())


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("balanced", [False, True])
def test_it_is_a_logistic_regression_on_features_of_one_scale(k, balanced):
    x, y = drawn(k=k)
    x, y = np.delete(x, np.s_[3:60:3], 0), np.delete(y, np.s_[3:60:3])
    probe = linear_probe(x[:120], y[:120], x[120:], y[120:], class_names=NAMES[:k], balanced=balanced)
    weights = "balanced" if balanced else None
    oracle = make_pipeline(scaler(x[:120]), LogisticRegression(C=probe.strength, class_weight=weights, max_iter=2000))
    oracle.fit(x[:120], y[:120])
    z = torch.from_numpy(probe.logits(x[120:]))
    assert z.softmax(dim=1).numpy() == pytest.approx(oracle.predict_proba(x[120:]), abs=1e-9)
    assert probe.validation_loss == pytest.approx(nn.functional.cross_entropy(z, torch.from_numpy(y[120:])).item())


def test_each_label_is_fitted_alone():
    x, y = drawn()
    labels = np.stack([y == 0, y != 2], axis=1).astype(np.float32)
    probe = linear_probe(x[:120], labels[:120], x[120:], labels[120:], class_names=NAMES[:2])
    for k in range(2):
        oracle = make_pipeline(scaler(x[:120]), LogisticRegression(C=probe.strength, max_iter=2000))
        oracle.fit(x[:120], labels[:120, k])
        said = 1 / (1 + np.exp(-probe.logits(x[120:])[:, k]))
        assert said == pytest.approx(oracle.predict_proba(x[120:])[:, 1], abs=1e-9)
    z = torch.from_numpy(probe.logits(x[120:]))
    loss = nn.functional.binary_cross_entropy_with_logits(z, torch.from_numpy(labels[120:]).double())
    assert probe.validation_loss == pytest.approx(loss.item())


def test_noise_is_regularised_more_than_a_signal():
    rng, labels = np.random.default_rng(0), np.arange(300) % 3
    signal = np.eye(3)[labels] * 4 + rng.normal(size=(300, 3))
    kept = [
        linear_probe(x[:150], labels[:150], x[150:], labels[150:], class_names=NAMES).strength
        for x in (rng.normal(size=(300, 40)), signal)
    ]
    assert kept[0] < kept[1] == STRENGTHS[-1]


def test_a_constant_feature_does_no_harm():
    x, y = drawn()
    x[:, 3] = 7
    probe = linear_probe(x[:120], y[:120], x[120:], y[120:], class_names=NAMES)
    assert np.isfinite(probe.weight_kf).all()
    assert np.array_equal(probe.weight_kf[:, 3], np.zeros(3))


def test_a_feature_that_hardly_answers_has_no_great_weight():
    x, y = drawn()
    x[:, 3] = np.random.default_rng(5).normal(size=len(x)) * 1e-4
    probe = linear_probe(x[:120], y[:120], x[120:], y[120:], class_names=NAMES)
    assert np.abs(probe.weight_kf[:, 3]).max() < 0.01 * np.abs(probe.weight_kf).max()


def test_in_the_network_it_says_what_the_regression_says():
    net, part = network(), stripes(30)
    features = head_features(net, ("6",), part, PREPROCESSING, device="cpu")
    assert features.shape == (30, 150)
    y = part.targets.numpy()
    probe = linear_probe(features[:20], y[:20], features[20:], y[20:], class_names=NAMES)
    probe.put_into(net, ("6",))
    found = predict_logits(net, part, PREPROCESSING, device="cpu")
    assert found == pytest.approx(probe.logits(features), abs=1e-4)
    assert not net[6]._forward_pre_hooks
    assert net.training


def test_dropout_before_the_head_is_seen_through():
    inner = nn.Linear(4, 2)
    assert linear_head(nn.Sequential(nn.Flatten(), nn.Sequential(nn.Dropout(0.5), inner)), ("1",)) is inner


@pytest.mark.parametrize(
    ("net", "heads"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 1)), ("0",)),
        (nn.Sequential(nn.Linear(2, 2, bias=False)), ("0",)),
        (nn.Sequential(nn.Linear(2, 2)), ()),
        (nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), ("0", "1")),
    ],
)
def test_a_network_without_one_linear_head_is_refused(net, heads):
    with pytest.raises(ConfigError, match="one linear head"):
        linear_head(net, heads)


def test_a_class_without_training_images_is_refused_by_name():
    x, y = drawn()
    with pytest.raises(DataError, match="no training image is of `d`"):
        linear_probe(x, y, x, y, class_names=(*NAMES, "d"))
    with pytest.raises(DataError, match="all training images are of `a`"):
        linear_probe(x, np.ones((len(x), 1)), x, np.ones((len(x), 1)), class_names=("a",))
