import numpy as np
from sklearn.metrics import confusion_matrix

from shiftgauge.estimate.group_bootstrap import GroupBootstrap
from shiftgauge.train.confusion import class_shares, label_shares


def test_class_shares_are_those_of_scikit_learn_with_intervals_around_them():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 300)
    decided = np.where(rng.random(300) < 0.7, truth, rng.integers(0, 4, 300))
    drawn = GroupBootstrap.of(None, 300, resamples=200)
    found = class_shares(confusion_matrix(truth, decided), truth, decided, drawn, 0.95)
    np.testing.assert_allclose(found.share, confusion_matrix(truth, decided, normalize="true"))
    assert (found.low <= found.share).all()
    assert (found.share <= found.high).all()
    assert 0.05 < (found.high - found.low)[0, 0] < 0.35


def test_a_row_without_images_is_nan_and_a_cell_without_images_is_not_surely_empty():
    truth, decided = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
    drawn = GroupBootstrap.of(None, 4, resamples=50)
    found = class_shares(confusion_matrix(truth, decided, labels=[0, 1, 2]), truth, decided, drawn, 0.95)
    assert np.isnan(found.share[2]).all()
    assert np.isnan(found.low[2]).all()
    assert found.share[0, 1] == 0
    assert found.high[0, 1] > 0.5


def test_label_shares_are_rates_of_each_label():
    rng = np.random.default_rng(1)
    truth, said = rng.random((200, 3)) < 0.3, rng.random((200, 3)) < 0.4
    drawn = GroupBootstrap.of(None, 200, resamples=100)
    cells = np.concatenate([truth & said, ~truth & said, truth & ~said, ~truth & ~said], axis=1)
    count = np.stack([confusion_matrix(truth[:, k], said[:, k]) for k in range(3)])
    found = label_shares(count, drawn.sums(cells).reshape(100, 4, 3), truth, drawn, 0.95)
    for k in range(3):
        expected = confusion_matrix(truth[:, k], said[:, k], normalize="true")
        np.testing.assert_allclose(found.share[k], expected)
        np.testing.assert_allclose(found.low[k].sum(axis=1) + found.high[k, :, ::-1].sum(axis=1), 2)
    assert (found.low < found.share).all()
